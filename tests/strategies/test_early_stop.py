"""Early stopping: when a sequence of evaluations ends the run, and what the user is told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tunesmith.core.observer import Record
from tunesmith.core.run import Run
from tunesmith.strategies.early_stop import EarlyStop, since_gain

NAN = float("nan")


def stops_at(strategy: EarlyStop, run: Run, values: list[float]) -> tuple[int | None, str]:
    """The evaluation (from 1) after which the run ends, and the reason."""
    for number, value in enumerate(values, start=1):
        run.evaluations.append({"step": number * 10, "accuracy": value})
        reason = strategy.step(run, record(number * 10, {"accuracy": value}))
        if reason:
            return number, reason
    return None, ""


def record(step: int, scores: dict[str, float] | None = None) -> Record:
    return Record(step=step, epoch=0.0, loss=0.0, rate=0.0, rows=1, tokens=1, padding=0.0, seconds=0.0, scores=scores)


@pytest.mark.parametrize(
    ("patience", "values", "stop"),
    [
        (2, [0.5, 0.6, 0.7, 0.8], None),
        (2, [0.5, 0.4, 0.3], 3),
        (2, [0.5, 0.4, 0.6, 0.5, 0.4], 5),
        (1, [0.5, 0.5], 2),
        (2, [NAN, NAN, NAN], 3),
        (2, [0.5, NAN, 0.6, 0.5], None),
    ],
)
def test_patience(run: Run, patience: int, values: list[float], stop: int | None) -> None:
    assert stops_at(EarlyStop(patience=patience), run, values)[0] == stop


def test_the_reason_names_metric_and_best_step(run: Run) -> None:
    _, reason = stops_at(EarlyStop(patience=2), run, [0.5, 0.75, 0.7, 0.6])
    assert reason == "early_stop: no gain in accuracy for 2 evaluations; it was 0.75 at step 20"


def test_small_gains_do_not_count(run: Run) -> None:
    assert stops_at(EarlyStop(patience=2, minimum_gain=0.1), run, [0.5, 0.55, 0.58])[0] == 3


def test_small_gains_count_together_once_they_are_enough() -> None:
    assert since_gain([0.5, 0.55, 0.61, 0.62], True, 0.1) == 1


def test_a_metric_where_less_is_better(run: Run) -> None:
    run.task = SimpleNamespace(primary="accuracy", higher_is_better=False)
    assert stops_at(EarlyStop(patience=2), run, [0.5, 0.4, 0.3, 0.35, 0.3])[0] == 5


def test_steps_without_an_evaluation_are_passed_over(run: Run) -> None:
    strategy = EarlyStop(patience=1)
    assert stops_at(strategy, run, [0.5])[0] is None
    assert [strategy.step(run, record(step)) for step in range(11, 20)] == [None] * 9


def test_since_gain() -> None:
    assert [since_gain(values, True) for values in ([], [1], [1, 2], [2, 1, 1], [1, NAN])] == [0, 0, 0, 2, 1]
