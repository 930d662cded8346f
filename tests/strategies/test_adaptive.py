"""Adaptive: each of its decisions, when it is taken, why, and that it ends the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from training import tiny_fit
from tunesmith.core.clock import Clock, Span
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.engine.events import read_events
from tunesmith.strategies.adaptive import LONGEST, STRONGEST, Adaptive, decay_for


def judge(strategy: Adaptive, run: Run, **scores: float) -> None:
    with strategy.finished(run):
        run.clock = run.clock.at(run.clock.step + run.clock.steps_per_epoch)
        run.evaluations.append({"step": run.clock.step, **scores})


def learning(strategy: Adaptive, run: Run) -> list[int]:
    return sorted({param.depth for param in run.params.values() if strategy.plan(param, Rule(), run.clock).learns})


def test_it_goes_deeper_only_while_that_pays(run: Run, said: list[str]) -> None:
    strategy = Adaptive(start=1, layers=1)
    strategy.begin(run)
    found = [learning(strategy, run)]
    for accuracy in (0.5, 0.4, 0.6, 0.7, 0.8):
        judge(strategy, run, accuracy=accuracy)
        found.append(learning(strategy, run))
    assert found == [[3, 4], [2, 3, 4], [2, 3, 4], [1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    assert said[0] == "adaptive: accuracy is 0.5, better than before: all from layer 2 up learns now"
    assert said[-1].endswith("everything learns now")


def test_the_rate_falls_and_then_the_run_ends(run: Run, said: list[str]) -> None:
    strategy = Adaptive(patience=2, falls=1, factor=0.1, layers=0)
    strategy.begin(run)
    rates = []
    for accuracy in (0.5, 0.5, 0.5, 0.4, 0.5):
        assert run.stop == ""
        judge(strategy, run, accuracy=accuracy)
        rates.append(strategy.plan(run.params["classifier.weight"], Rule(rate=2.0), run.clock).rate)
    assert rates == pytest.approx([2.0, 2.0, 0.2, 0.2, 0.2])
    assert run.stop == "adaptive: no better accuracy in 2 evaluations after 1 fall of the rate"
    assert said == ["adaptive: no better accuracy in 2 evaluations: the rate falls to 0.1 of what it was"]


def test_a_lower_loss_is_better_too(run: Run, said: list[str]) -> None:
    strategy = Adaptive(patience=1, falls=0, start=1, layers=2)
    strategy.begin(run)
    for loss in (0.9, 0.8, 0.7):
        judge(strategy, run, accuracy=0.5, log_loss=loss)
        assert run.stop == ""
    assert said[1] == "adaptive: loss is 0.8, better than before: everything learns now"
    judge(strategy, run, accuracy=0.5, log_loss=0.7)
    assert run.stop.startswith("adaptive: no better accuracy in 1 evaluation")


def test_it_waits_for_an_epoch_or_many_steps_however_often_it_is_judged(run: Run) -> None:
    for steps_per_epoch, waits in ((10, 5), (10_000, LONGEST // 2)):
        strategy = Adaptive(patience=2, falls=0)
        run.clock, run.evaluations, run.stop = Clock(0, 1_000_000, steps_per_epoch), [], ""
        strategy.begin(run)
        ended = []
        for _ in range(waits + 1):  # the first is better than none
            with strategy.finished(run):
                run.clock = run.clock.at(run.clock.step + 2)
                run.evaluations.append({"step": run.clock.step, "accuracy": 0.5})
            ended.append(bool(run.stop))
        assert ended == [False] * waits + [True]


def test_weight_decay_follows_the_gap(run: Run, said: list[str]) -> None:
    strategy = Adaptive(layers=0, gap=0.5)
    strategy.begin(run)
    decays = []
    for validation in (0.9, 1.6, 1.6, 1.0):
        strategy.losses = [4.0, 4]  # a mean of 1
        judge(strategy, run, accuracy=0.5, log_loss=validation)
        decays.append(strategy.plan(run.params["classifier.weight"], Rule(), run.clock).decay)
    assert decays == [1.0, 2.0, 4.0, 2.0]
    assert "loss 1 in training, 1.6 in validation: weight decay doubles, to 2 of its setting" in said[0]
    assert decay_for(STRONGEST, 1.0, 9.0, 0.5) == STRONGEST


def test_a_run_ends_early_and_its_events_say_why(tmp_path: Path) -> None:
    strategy = Adaptive(patience=1, falls=0, start=1)
    fitted = tiny_fit(tmp_path, [strategy], steps=30, evaluate_every=Span(1, "st"), learning_rate=1e-9)
    assert fitted.run.clock.step < 30
    assert fitted.reason.startswith("adaptive: no better accuracy")
    texts = [event["text"] for event in read_events(tmp_path / "events.jsonl") if event["event"] == "say"]
    assert any("better than before" in text for text in texts)
    again = tiny_fit(tmp_path, [Adaptive(patience=1, falls=0, start=1)], steps=30, evaluate_every=Span(1, "st"), learning_rate=1e-9)
    assert again.run.clock.step == fitted.run.clock.step, "a run that was ended trains no further"
