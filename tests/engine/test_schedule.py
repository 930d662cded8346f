"""Schedules against their formulas, and the groups of the optimizer against the plan."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from training import tiny_fit
from tunesmith.core.clock import Clock, Span
from tunesmith.engine import schedule
from tunesmith.engine.settings import Training


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


@pytest.mark.parametrize(
    ("scores", "expected"), [([], 1), ([0.5, 0.6], 1), ([0.6, 0.5], 1), ([0.6, 0.5, 0.5], 0.5), ([0.6, 0.5, 0.5, 0.5, 0.5], 0.25)]
)
def test_plateau_halves_after_patience(scores: list[float], expected: float) -> None:
    assert schedule.plateau(scores, True, patience=1, factor=0.5) == expected
    assert schedule.plateau([-s for s in scores], False, patience=1, factor=0.5) == expected


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "adafactor"])
def test_every_optimizer_learns(optimizer: str) -> None:
    rates = {"adamw": 1e-2, "sgd": 0.3, "adafactor": 0.1}
    settings: dict[str, Any] = {"optimizer": optimizer, "learning_rate": rates[optimizer], "dropout": 0.0, "batch_size": 12}
    assert tiny_fit(None, steps=60, **settings).run.loss < tiny_fit(None, steps=1, **settings).run.loss
