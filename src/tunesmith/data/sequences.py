"""Several sequences of tokens in one item, for rows that a model reads more than once: with each choice, or with each candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from tunesmith.core.task import Row
from tunesmith.data.text import MODEL_INPUTS


def joined(sequences: Sequence[Mapping[str, Any]]) -> Row:
    """One item of sequences as ``encode_texts`` gives them: their tokens one after the other, and in ``sizes`` how many each has.

    ``length`` is the positions that they take when they are padded to the longest of them.
    """
    sizes = [sequence["length"] for sequence in sequences]
    names = [name for name in MODEL_INPUTS if name in sequences[0]]
    return {
        **{name: [token for sequence in sequences for token in sequence[name]] for name in names},
        "sizes": sizes,
        "length": len(sizes) * max(sizes),
        "truncated": sum(sequence["truncated"] for sequence in sequences),
    }


def parted(item: Row) -> list[Row]:
    """The sequences of an item, each with its ``length``."""
    names = [name for name in MODEL_INPUTS if name in item]
    return [
        {**{name: item[name][end - size : end] for name in names}, "length": size}
        for size, end in zip(item["sizes"], accumulate(item["sizes"]), strict=True)
    ]


def in_rows(values: Tensor, sizes: Sequence[int], fill: float = -torch.inf) -> Tensor:
    """Values of sequences (sequences,) as a table (batch, most sequences); ``fill`` where a row has fewer."""
    most = torch.arange(max(sizes), device=values.device)
    there = most < torch.tensor(sizes, device=values.device)[:, None]
    return values.new_full(there.shape, fill).masked_scatter(there, values)
