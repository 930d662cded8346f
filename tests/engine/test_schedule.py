"""Schedules against their formulas, and the groups of the optimizer against the plan."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import tiny
from training import mixture, tiny_fit
from tunesmith.core.clock import Clock, Span
from tunesmith.core.errors import InputError
from tunesmith.core.observer import Observer, Record
from tunesmith.core.param import Param
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.engine import optimizer as optimizers
from tunesmith.engine import schedule
from tunesmith.engine.settings import Training
from tunesmith.model.backbone import describe


class AtStep:
    """A run that is only a clock."""

    def __init__(self, step: int, total: int, evaluations: list[dict[str, Any]] | None = None) -> None:
        self.clock, self.evaluations = Clock(step, total, 10), evaluations or []
        self.task = type("Task", (), {"primary": "accuracy", "higher_is_better": True})


def factors(total: int, **settings: Any) -> list[float]:
    training = Training(**settings)
    return [schedule.schedule(training, AtStep(step, total))() for step in range(total)]  # type: ignore[arg-type]


def test_linear_with_warmup_equals_transformers_but_for_the_first_step() -> None:
    from transformers import get_linear_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    reference = get_linear_schedule_with_warmup(optimizer, 0, 20)
    expected = []
    for _ in range(20):
        expected.append(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()
    assert factors(20, warmup=Span(0, "st")) == pytest.approx(expected)
    warmed = factors(20, warmup=Span(4, "st"))
    assert warmed[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])  # never a step that changes nothing
    assert warmed[4] == 1.0


def test_cosine_constant_polynomial() -> None:
    none = Span(0, "st")
    assert factors(4, schedule="cosine", warmup=none) == pytest.approx([1, 0.8535534, 0.5, 0.1464466])
    assert factors(4, schedule="constant", warmup=none) == [1, 1, 1, 1]
    assert factors(4, schedule="polynomial", power=3.0, warmup=none) == pytest.approx([1, 0.421875, 0.125, 0.015625])
    assert factors(4, schedule="cosine", warmup=none, final_rate=0.1)[2] == pytest.approx(0.55)


def test_warmup_stable_decay_is_flat_and_then_falls_as_one_minus_root() -> None:
    values = factors(10, schedule="warmup_stable_decay", warmup=Span(0, "st"), cooldown=Span(4, "st"))
    assert values == pytest.approx([1, 1, 1, 1, 1, 1, 1, 0.5, 1 - 0.5**0.5, 1 - 0.75**0.5])


def test_slanted_triangular_follows_the_paper() -> None:
    total, cut, ratio = 100, 0.1, 32
    peak = int(total * cut)
    expected = []
    for t in range(total):  # equation 3 of Howard and Ruder 2018
        p = t / peak if t < peak else 1 - (t - peak) / (peak * (1 / cut - 1))
        expected.append((1 + p * (ratio - 1)) / ratio)
    assert factors(total, schedule="slanted_triangular", warmup=Span(10, "%")) == pytest.approx(expected)


def test_one_cycle_equals_torch() -> None:
    total = 50
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=total, pct_start=0.3, cycle_momentum=False)
    expected = []
    for _ in range(total):
        expected.append(reference.get_last_lr()[0])
        optimizer.step()
        if len(expected) < total:
            reference.step()
    assert factors(total, schedule="one_cycle", warmup=Span(30, "%")) == pytest.approx(expected)


def test_cosine_restarts_equals_transformers() -> None:
    from transformers import get_cosine_with_hard_restarts_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    reference = get_cosine_with_hard_restarts_schedule_with_warmup(optimizer, 0, 40, num_cycles=3)
    expected = []
    for _ in range(40):
        expected.append(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()
    assert factors(40, schedule="cosine_restarts", cycles=3, warmup=Span(0, "st")) == pytest.approx(expected)
    assert schedule.cosine_restarts(1.0, 3) == 0


@pytest.mark.parametrize(
    ("scores", "expected"), [([], 1), ([0.5, 0.6], 1), ([0.6, 0.5], 1), ([0.6, 0.5, 0.5], 0.5), ([0.6, 0.5, 0.5, 0.5, 0.5], 0.25)]
)
def test_plateau_halves_after_patience(scores: list[float], expected: float) -> None:
    assert schedule.plateau(scores, True, patience=1, factor=0.5) == expected
    assert schedule.plateau([-s for s in scores], False, patience=1, factor=0.5) == expected


def test_a_fall_at_a_plateau_is_told_once_and_after_its_evaluation() -> None:
    evaluations = [{"step": step, "accuracy": score} for step, score in ((2, 0.6), (4, 0.5), (6, 0.5))]
    said: list[str] = []
    for step in (4, 6, 7):
        run = AtStep(step, 10, [scores for scores in evaluations if scores["step"] <= step])
        run.say = said.append  # type: ignore[attr-defined]
        rate = schedule.schedule(Training(schedule="reduce_on_plateau", warmup=Span(0, "st")), run)  # type: ignore[arg-type]
        assert rate() == (1 if step == 4 else 0.5)
    assert said == ["reduce_on_plateau: no better accuracy in 2 evaluations: the rate falls to 0.5 of the highest"]


def test_a_warm_up_and_a_cooldown_that_overlap_are_refused() -> None:
    with pytest.raises(InputError, match=r"a warm-up of 50% and a cooldown of 90% are more than all of the run\. Lower one"):
        factors(20, schedule="warmup_stable_decay", warmup=Span(50, "%"), cooldown=Span(90, "%"))
    assert len(factors(1, schedule="warmup_stable_decay", warmup=Span(50, "%"), cooldown=Span(50, "%"))) == 1


@pytest.mark.parametrize("optimizer", ["adamw", "adamw_8bit", "sgd", "adafactor"])
def test_every_optimizer_learns(optimizer: str) -> None:
    rates = {"adamw": 1e-2, "adamw_8bit": 1e-2, "sgd": 0.3, "adafactor": 0.1}
    settings: dict[str, Any] = {"optimizer": optimizer, "learning_rate": rates[optimizer], "dropout": 0.0, "batch_size": 12}
    assert tiny_fit(None, steps=60, **settings).run.loss < tiny_fit(None, steps=1, **settings).run.loss


@pytest.mark.parametrize(
    ("family", "names", "optimizer", "rate"),
    [
        ("bert", "all", "adamw", 5e-5),
        ("bert", "all", "adafactor", 1e-3),
        ("bert", "classifier", "adamw", 1e-3),
        ("bert", "classifier", "sgd", 1e-2),
        ("t5", "all", "adamw", 1e-4),
        ("marian", "all", "adamw", 3e-5),
        ("gpt2", "all", "adamw", 5e-5),
        ("bert", "layer.0.attention.self.query.bias", "adamw", 4e-4),
    ],
)
def test_the_rate_that_nobody_names_has_a_source(family: str, names: str, optimizer: str, rate: float) -> None:
    model = tiny.bert() if family == "bert" else tiny.base(family)
    run = SimpleNamespace(model=model, params=describe(model), task=SimpleNamespace(pace=1.0))
    chosen = {name for name in run.params if names == "all" or names in name}
    assert optimizers.default_rate(run, chosen, optimizer)[0] == rate  # type: ignore[arg-type]
    assert all(source and when for _, source, when in optimizers.DEFAULT_RATES.values())


def test_a_large_decoder_and_an_adapter_have_rates_of_their_own() -> None:
    inner = Param("layers.0.mlp.weight", (20_000, 30_000), 1, 2, "mlp")
    task = SimpleNamespace(pace=1.0)
    run = SimpleNamespace(model=type("LlamaForCausalLM", (), {})(), params={inner.name: inner}, task=task)
    assert optimizers.default_rate(run, {inner.name})[0] == 2e-5  # type: ignore[arg-type]
    run.params = {inner.name: replace(inner, added=True)}
    assert optimizers.default_rate(run, {inner.name})[0] == 5e-4  # type: ignore[arg-type]
    task.pace = 0.1  # a task that wants smaller steps
    rate, source = optimizers.default_rate(run, {inner.name})  # type: ignore[arg-type]
    assert rate == pytest.approx(5e-5)
    assert source.startswith("Hu et al.")
    assert source.endswith("times 0.1 for the task")


@pytest.mark.parametrize(
    ("settings", "new", "expected"),
    [
        ({}, ["classifier.weight"], (5e-5, 1e-3)),
        ({}, ["bert.encoder.layer.0.attention.self.query.weight"], (5e-5, 5e-5)),
        ({}, [], (5e-5, 5e-5)),
        ({"learning_rate": 2e-5}, ["classifier.weight"], (2e-5, 2e-5)),
        ({"learning_rate": 2e-5, "head_rate": 5e-4}, ["classifier.weight"], (2e-5, 5e-4)),
        ({"head_rate": 5e-4}, ["classifier.weight"], (5e-5, 5e-4)),
        ({"head_rate": 5e-4}, [], (5e-5, 5e-4)),
        ({"optimizer": "adafactor"}, ["classifier.weight"], (1e-3, 1e-3)),
    ],
)
def test_a_new_head_has_the_rate_of_a_head_alone_unless_the_recipe_says_one(
    settings: dict[str, Any], new: list[str], expected: tuple[float, float]
) -> None:
    model = tiny.bert()
    params = describe(model, fresh=new)
    run = SimpleNamespace(model=model, params=params, task=SimpleNamespace(pace=1.0), new_head=new[:1] == ["classifier.weight"])
    found = optimizers.rates(run, Training(**settings), set(params))  # type: ignore[arg-type]
    assert (found.rate, found.head) == expected
    assert (found.source == "training.learning_rate") == ("learning_rate" in settings)
    assert (found.head_source == "training.head_rate") == ("head_rate" in settings)


@pytest.mark.parametrize(
    ("settings", "new", "expected"),
    [
        ({}, ["heads.0.classifier.weight"], {"0"}),
        ({}, ["heads.1.classifier.bias"], {"1"}),
        ({}, ["heads.0.classifier.weight", "heads.1.classifier.bias"], {"0", "1"}),
        ({"head_rate": 1e-3}, ["heads.0.classifier.weight"], {"0", "1"}),
    ],
)
def test_of_several_heads_those_with_something_new_have_its_rate(settings: dict[str, Any], new: list[str], expected: set[str]) -> None:
    module = mixture()[0].module
    params = describe(module, fresh=new)
    run = Run(module, SimpleNamespace(pace=1.0), None, Clock(0, 8, 4), torch.device("cpu"), 0, print, params=params)  # type: ignore[arg-type]
    found = optimizers.rates(run, Training(**settings), set(params))
    assert (found.rate, found.head) == (5e-5, 1e-3)
    found.given_to(run)
    assert (run.peak, run.head_pace) == (5e-5, 20)
    assert all(params[name].head for name in run.paced)
    assert {name.split(".")[1] for name in run.paced if name.startswith("heads.")} == expected
    assert any(name.startswith("trunk.pooler") for name in run.paced)


def test_the_head_learns_at_its_own_rate_new_or_not() -> None:
    rules: dict[str, float] = {}
    told: list[str] = []

    class Watching(Observer):
        def say(self, message: str) -> None:
            told.append(message)

        def begin(self, run: Run) -> None:
            rules.update({name: rule.rate for name, rule in run.rules.items()})

        def memory(self) -> dict[str, Any]:
            return {}

    for fresh in ((), ("classifier.weight",)):
        tiny_fit(None, [Watching()], steps=1, learning_rate=1e-4, head_rate=1e-3, fresh=fresh)
        assert {name for name, rate in rules.items() if rate == pytest.approx(10.0)} == {
            name for name in rules if "classifier" in name or "pooler" in name
        }
        assert told == []


WANTED = (0.25, "a source")


@pytest.mark.parametrize(("given", "wanted", "used"), [(None, WANTED, 0.25), (None, None, 5e-5), (0.5, WANTED, 0.5)])
def test_a_strategy_may_want_a_rate_and_the_recipe_decides(given: float | None, wanted: tuple[float, str] | None, used: float) -> None:
    class Wanting(Strategy):
        natural_rate = wanted

        def settings(self) -> dict[str, Any]:
            return {}

        def memory(self) -> dict[str, Any]:
            return {}

    class Watching(Observer):
        def step(self, run: Run, record: Record) -> None:
            assert record.rate == pytest.approx(used)

        def memory(self) -> dict[str, Any]:
            return {}

    tiny_fit(None, [Wanting(), Watching()], steps=1, learning_rate=given, schedule="constant", warmup=Span(0, "st"))
