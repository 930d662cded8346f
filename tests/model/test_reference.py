"""What a reference answers: asked once for a row with one label, as long as the row is what it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from tunesmith.core.clock import Clock
from tunesmith.core.run import Run
from tunesmith.data.encode import encode
from tunesmith.model.reference import Known, asked_once, contents
from tunesmith.tasks.text_classification import TextClassification


@pytest.fixture
def run() -> Run:
    task, rows = TextClassification.example()
    task.learn(rows)
    train = encode([task.read(row) for row in rows], task, tiny.tokenizer())
    given: Any = (None, task, None, Clock(0, 40, 10), torch.device("cpu"), 0, print)
    return Run(*given, train=train, tokenizer=tiny.tokenizer())


def batch_of(run: Run, *rows: int) -> Any:
    return run.task.collate([run.train[row] for row in rows], run.tokenizer)


class Asked:
    """Answers with other numbers each time."""

    times = 0

    def __call__(self) -> Tensor:
        self.times += 1
        return torch.full((2, 2), float(self.times))


def test_a_row_is_asked_about_once_in_any_company(run: Run) -> None:
    known, ask = Known(), Asked()
    first, second = asked_once(known, batch_of(run, 0, 3), run, ask), asked_once(known, batch_of(run, 5, 1), run, ask)
    again = asked_once(known, batch_of(run, 1, 3), run, ask)
    assert ask.times == 2
    torch.testing.assert_close(again, torch.stack([second[1], first[1]]))


def test_a_row_that_was_changed_is_asked_about_anew(run: Run) -> None:
    known, ask = Known(), Asked()
    batch = batch_of(run, 0, 3)
    asked_once(known, batch, run, ask)
    changed = replace(batch, inputs={**batch.inputs, "input_ids": batch.inputs["input_ids"].flip(0)})
    asked_once(known, changed, run, ask)
    assert ask.times == 2


@pytest.mark.parametrize("strange", ["one epoch", "a row from elsewhere"])
def test_what_comes_once_is_not_remembered(strange: str, run: Run) -> None:
    known, ask, batch = Known(), Asked(), batch_of(run, 0, 3)
    if strange == "one epoch":
        run.clock = Clock(0, 10, 10)
    else:
        batch = replace(batch, rows=torch.tensor([0, len(run.train)]))
    for _ in range(2):
        asked_once(known, batch, run, ask)
    assert ask.times == 2
    assert not known


def test_padding_on_either_side_says_nothing(run: Run) -> None:
    short = min(range(len(run.train)), key=lambda row: run.train[row]["length"])
    longest = max(range(len(run.train)), key=lambda row: run.train[row]["length"])
    alone, padded = batch_of(run, short), batch_of(run, short, longest)
    assert run.train[short]["length"] < run.train[longest]["length"]
    ones = {**alone.inputs, "attention_mask": torch.ones_like(alone.inputs["input_ids"])}
    right = {name: torch.nn.functional.pad(tensor, (0, 3)) for name, tensor in ones.items()}
    left = {name: torch.nn.functional.pad(tensor, (3, 0)) for name, tensor in ones.items()}
    found = [contents(replace(alone, inputs=inputs)) for inputs in (ones, right, left)]
    assert found[0] == found[1] == found[2]
    assert contents(padded)[0] != contents(padded)[1]
