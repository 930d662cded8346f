"""Episodes: rows of a step by task, by group or all together, and dealt out in turn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.mixture import PLACE, Member, Mixture
from tunesmith.data.episodes import dealt, episodes, numbering, taken
from tunesmith.tasks.text_classification import TextClassification


def batch(rows: list[int], **notes: str) -> Batch:
    ids = torch.tensor(rows)[:, None] * 10 + torch.arange(2)
    return Batch({"input_ids": ids}, {"labels": torch.tensor(rows)}, torch.tensor(rows), 2 * len(rows), notes, micro=3)


def run(task: Any = None) -> Any:
    rows = [{"row": row, "group": row % 3} for row in range(9)]
    return SimpleNamespace(train=rows, say=lambda line: None, device=torch.device("cpu"), task=task)


def test_rows_are_parted_by_group_over_batches() -> None:
    found = episodes([batch([0, 1, 3]), batch([4, 6])], numbering("group", run(), "maml"))
    assert [[part.rows.tolist() for part in episode] for episode in found] == [[[0, 3], [6]], [[1], [4]]]
    part = found[0][0]
    assert part.inputs["input_ids"].tolist() == [[0, 1], [30, 31]]
    assert (part.targets["labels"].tolist(), part.tokens, part.micro) == ([0, 3], 4, 3)


def test_a_step_is_one_episode_and_each_task_of_a_mixture_is_one() -> None:
    batches = [batch([0, 1], **{PLACE: "b"}), batch([2], **{PLACE: "a"})]
    (whole,) = episodes(batches, numbering("step", run(), "maml"))
    assert whole[0] is batches[0]
    member = Member(TextClassification.example()[0], None, 1)
    found = episodes(batches, numbering("task", run(Mixture(dict.fromkeys("ab", member))), "maml"))
    assert [[part.rows.tolist() for part in episode] for episode in found] == [[[2]], [[0, 1]]]
    with pytest.raises(InputError, match="maml: there is one task"):
        numbering("task", run(), "maml")


def test_rows_are_dealt_in_turn() -> None:
    parts = dealt([batch([0, 1, 2]), batch([3, 4])], 2)
    assert [[part.rows.tolist() for part in share] for share in parts] == [[[0, 2], [4]], [[1], [3]]]
    assert len(dealt([batch([0, 1])], 5)) == 2


def test_packed_rows_are_refused() -> None:
    packed = Batch({"input_ids": torch.zeros(1, 9)}, {}, torch.tensor([0, 1]), 9)
    with pytest.raises(InputError, match="cannot be parted"):
        taken(packed, torch.tensor([1]))
