"""Groups of rows: by item, by row of the data, and by batch."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.data.groups import by_example, groups_of, of_batch


def run(rows: list[dict[str, int]], said: list[str]) -> Any:
    return SimpleNamespace(train=rows, say=said.append, device=torch.device("cpu"))


def test_a_batch_finds_the_groups_of_its_rows_and_none_for_rows_from_elsewhere() -> None:
    said: list[str] = []
    items = [{"row": 2, "group": 0}, {"row": 0, "group": 1}, {"row": 1, "group": 1}, {"row": 1, "group": 1}]  # a row may be several items
    known = by_example(run(items, said), "fairness")
    assert known.tolist() == [1, 1, 0]
    batch = Batch({}, {}, torch.tensor([2, 0, -7, 3]), 3, micro=0)
    assert of_batch(known, batch).tolist() == [0, 1, -1, -1]
    assert of_batch(known, replace(batch, micro=None)).tolist() == [-1] * 4
    assert groups_of(items, "fairness").tolist() == [0, 1, 1, 1]
    assert said == []


def test_one_group_is_told_and_none_is_refused() -> None:
    said: list[str] = []
    by_example(run([{"row": 0, "group": 3}, {"row": 1, "group": 3}], said), "group_dro")
    assert said == ["group_dro: all training rows are of one group, and there is nothing to compare it with"]
    with pytest.raises(InputError, match=r"fairness: the rows have no group each. Name the column.*data.columns: {group: COLUMN}"):
        groups_of([{"group": 1}, {}], "fairness")
