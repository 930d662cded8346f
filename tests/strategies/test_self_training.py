"""Self-training: the surest rows of each class, when rows are labelled, and what a batch gets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest
import torch

from training import tiny_fit
from tunesmith.core.clock import Span
from tunesmith.core.errors import InputError
from tunesmith.core.strategy import Rows
from tunesmith.engine.events import read_events
from tunesmith.strategies.self_training import SelfTraining, surest

TEXTS = ["a good film", "a bad film", "what a great day", "a poor story", "was it the dog ?"]


def test_the_surest_of_each_class_are_kept() -> None:
    labels, sure = [0, 0, 0, 0, 1, 1], [0.99, 0.95, 0.97, 0.7, 0.91, 0.6]
    assert surest(labels, sure, 0.9, 1.0) == [0, 1, 2, 4]
    assert surest(labels, sure, 0.9, 0.5) == [0, 2, 4]
    assert surest(labels, sure, 0.5, 0.1) == [0, 4]  # one of each at least
    assert surest(labels, sure, 0.995, 1.0) == []
    assert surest([0, 0], [0.9, 0.9], 0.5, 0.5) == [0]  # of equals the first


def test_rows_are_labelled_when_it_is_time_and_told(tmp_path: Path) -> None:
    tiny_fit(tmp_path, [SelfTraining(TEXTS, every=Span(2, "st"), threshold=0.0, portion=1.0)], steps=6)
    said = [event for event in read_events(tmp_path / "events.jsonl") if event["event"] == "say" and "have labels now" in event["text"]]
    assert [event["step"] for event in said] == [2, 4]
    assert said[0]["text"].startswith("self_training: 5 of 5 rows have labels now: bad ")


def test_it_says_when_no_row_was_ever_labelled(tmp_path: Path) -> None:
    told = "self_training: NOTHING IS LEARNED from the rows without labels: "
    for name, threshold, every, why in (
        ("sure", 0.0, 1, ""),
        ("unsure", 1.0, 1, "the model was never"),
        ("late", 0.0, 9, "the run ends before"),
    ):
        tiny_fit(tmp_path / name, [SelfTraining(TEXTS, every=Span(every, "st"), threshold=threshold)], steps=3)
        text = (tmp_path / name / "events.jsonl").read_text()
        assert told + why in text if why else told not in text


def test_a_batch_gets_rows_with_the_label_that_the_model_gives() -> None:
    strategy = SelfTraining(TEXTS, every=Span(2, "st"), threshold=0.0, portion=1.0, ratio=0.5)
    fitted = tiny_fit(None, [strategy], steps=30, dropout=0.0)
    run = fitted.run
    given = [run.train[i] for i in range(4)]
    stream: Iterator[Rows] = strategy.feed(repeat(given), run)
    rows = next(stream)
    assert rows[:4] == given
    assert len(rows) == 6
    run.model.eval()
    with torch.no_grad():
        for row in rows[4:]:
            assert row["row"] < 0
            logits = run.model(input_ids=torch.tensor([row["input_ids"]])).logits
            assert row["label"] == int(logits.argmax())


def test_ratio_0_adds_nothing_and_needs_no_rows() -> None:
    strategy = SelfTraining(ratio=0.0)
    fitted = tiny_fit(None, [strategy], steps=2)
    given = [fitted.run.train[0]]
    assert next(strategy.feed(repeat(given), fitted.run)) == given


def test_a_task_without_one_label_is_refused() -> None:
    fitted = tiny_fit(None, steps=1)
    fitted.run.task.kind = "multi"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="no single label"):
        SelfTraining(TEXTS).begin(fitted.run)
