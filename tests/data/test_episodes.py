"""Episodes: rows of a step by task, by group or all together, and dealt out in turn."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.mixture import PLACE, Member, Mixture
from tunesmith.data.episodes import episodes, numbering, taken
from tunesmith.tasks.text_classification import TextClassification


def batch(rows: list[int], **notes: str) -> Batch:
    ids = torch.tensor(rows)[:, None] * 10 + torch.arange(2)
    return Batch({"input_ids": ids}, {"labels": torch.tensor(rows)}, torch.tensor(rows), 2 * len(rows), notes, micro=3)


def run(task: Any = None) -> Any:
    rows = [{"row": row, "group": row % 3} for row in range(9)]
    return SimpleNamespace(train=rows, say=lambda line: None, device=torch.device("cpu"), task=task)


def test_rows_are_parted_by_group_over_batches() -> None:
    found = episodes([batch([0, 1, 3]), batch([4, 6])], numbering("group", run(), "maml"))
    assert [[part.rows.tolist() for part in episode.batches] for episode in found] == [[[0, 3], [6]], [[1], [4]]]
    part = found[0].batches[0]
    assert part.inputs["input_ids"].tolist() == [[0, 1], [30, 31]]
    assert (part.targets["labels"].tolist(), part.tokens, part.micro) == ([0, 3], 4, 3)


def test_a_step_is_one_episode_and_each_task_of_a_mixture_is_one() -> None:
    batches = [batch([0, 1], **{PLACE: "b"}), batch([2], **{PLACE: "a"})]
    (whole,) = episodes(batches, numbering("step", run(), "maml"))
    assert whole.batches[0] is batches[0]
    member = Member(TextClassification.example()[0], None, 1)
    found = episodes(batches, numbering("task", run(Mixture(dict.fromkeys("ab", member))), "maml"))
    assert [[part.rows.tolist() for part in episode.batches] for episode in found] == [[[2]], [[0, 1]]]
    with pytest.raises(InputError, match="maml: there is one task"):
        numbering("task", run(), "maml")


def test_rows_are_dealt_in_turn() -> None:
    (whole,) = episodes([batch([0, 1, 2]), batch([3, 4])], numbering("step", run(), "maml"))
    assert [[part.rows.tolist() for part in share] for share in whole.dealt(2)] == [[[0, 2], [4]], [[1], [3]]]
    assert len(whole.dealt(9)) == 5


def test_rows_of_other_processes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    others = {(1, 0): {0: 1, 2: 2}}  # the batch between the two of this process
    monkeypatch.setattr("tunesmith.data.episodes.of_all", lambda own: {**own, **others})
    own = [replace(batch(rows), micro=micro) for micro, rows in ((0, [0, 3]), (2, [6, 4]))]
    found = episodes(own, numbering("group", run(), "maml"))
    assert [episode.size for episode in found] == [4, 1, 2]
    assert [[part.rows.tolist() for part in share] for share in found[0].dealt(2)] == [[[0]], [[3], [6]]]
    assert found[2].dealt(2) == [[], []]  # this process takes part in both steps


def test_packed_rows_are_refused() -> None:
    packed = Batch({"input_ids": torch.zeros(1, 9)}, {}, torch.tensor([0, 1]), 9)
    with pytest.raises(InputError, match="cannot be parted"):
        taken(packed, torch.tensor([1]))
