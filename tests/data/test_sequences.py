"""Several sequences in one item: joined, parted, and their values in a table."""

from __future__ import annotations

import torch

import tiny
from tunesmith.data.encode import Encoded
from tunesmith.data.sequences import in_rows, joined, parted
from tunesmith.data.text import encode_texts


def test_what_was_joined_can_be_parted() -> None:
    sequences = encode_texts(["a film", "a good film", "bad"], ["dog", "the cat", "no"], tiny.tokenizer(), 64)
    item = joined(sequences)
    assert item["sizes"] == [6, 8, 5]
    assert item["length"] == 3 * 8  # as many positions as the padded sequences take
    kept = Encoded([[item]])[0]
    assert parted(kept) == [{name: value for name, value in sequence.items() if name != "truncated"} for sequence in sequences]


def test_what_was_cut_is_counted_over_all_sequences() -> None:
    assert joined(encode_texts(["a good film of a man"] * 2, None, tiny.tokenizer(), 4))["truncated"] == 8


def test_values_stand_in_rows() -> None:
    table = in_rows(torch.tensor([1.0, 2.0, 3.0, 4.0]), [1, 3])
    assert table.tolist() == [[1.0, -torch.inf, -torch.inf], [2.0, 3.0, 4.0]]
    assert in_rows(torch.tensor([5, 6]), [2], 0).tolist() == [[5, 6]]


def test_gradients_reach_each_value_once() -> None:
    values = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    in_rows(values, [2, 1]).softmax(dim=1)[0, 0].backward()
    assert values.grad is not None
    assert torch.isfinite(values.grad).all()
    assert values.grad[2] == 0
