"""A batch: its length, its positions, and moving it."""

from __future__ import annotations

import pytest
import torch

from tunesmith.core.batch import Batch


def batch() -> Batch:
    return Batch({"input_ids": torch.zeros(2, 5, dtype=torch.int64)}, {"labels": torch.tensor([1, 0])}, torch.tensor([7, 3]), tokens=8)


def test_length_is_rows_and_positions_are_padding_and_all() -> None:
    assert (len(batch()), batch().positions, batch().tokens) == (2, 10, 8)


def test_positions_without_token_ids_are_the_tokens() -> None:
    assert Batch({"pixel_values": torch.zeros(2, 3, 4, 4)}, {}, torch.arange(2), tokens=18).positions == 18


def test_a_batch_that_is_where_it_should_be_is_not_copied() -> None:
    here = batch()
    assert here.to(torch.device("cpu")) is here


def test_inputs_and_targets_move_and_the_rest_stays() -> None:
    there = batch().to(torch.device("meta"))
    assert there.inputs["input_ids"].device.type == there.targets["labels"].device.type == "meta"
    assert there.rows.tolist() == [7, 3]
    assert there.tokens == 8


def test_a_gpu_is_given_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[torch.Size] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: (pinned.append(tensor.shape), tensor)[1])
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device, non_blocking: tensor.new_empty(tensor.shape, device="meta"))
    there = batch().to(torch.device("cuda"))
    assert len(pinned) == len(there.inputs) + len(there.targets)
    there.to(torch.device("cuda"))  # what is not on the processor cannot be pinned
    assert len(pinned) == len(there.inputs) + len(there.targets)
