"""Texts with a common beginning in one row of a batch: it is computed once, and each of their ends sees it and itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tunesmith.core.task import Row
from tunesmith.data.packing import IGNORED, Packed, block_mask
from tunesmith.data.pairs import padded
from tunesmith.data.sequences import parted

WORTH = 0.75  # what is saved must be a quarter of the positions: attention grows with the square of a row


def branch(beginnings: Sequence[Sequence[int]], ends: Sequence[Sequence[Sequence[int]]], pad: int) -> Packed:
    """Token ids of beginnings, one a row, and of all that each is followed by, as ``Packed`` has them; labels are those of the ends.

    The last token of a beginning stands before each of its ends, since it foresees another token with each. ``places`` are those of
    the ends, each with that token.
    """
    rows = [_row(begun, of_row) for begun, of_row in zip(beginnings, ends, strict=True)]
    ids, labels, positions, owners = zip(*rows, strict=True)
    inputs = {"input_ids": padded(ids, pad), "position_ids": padded(positions, 0), "attention_mask": block_mask(padded(owners, -1), 0)}
    places = []
    for row, (begun, of_row) in enumerate(zip(beginnings, ends, strict=True)):
        start = len(begun) - 1
        for end in of_row:
            places.append((row, start, start + len(end)))
            start += len(end)
    return Packed(inputs, padded(labels, IGNORED), places)


def _row(begun: Sequence[int], ends: Sequence[Sequence[int]]) -> tuple[list[int], list[int], list[int], list[int]]:
    """Tokens, labels, positions and owners of one row: 0 for the beginning, 1, 2, ... for its ends."""
    before, last = list(begun[:-1]), begun[-1]
    ids, labels = list(before), [IGNORED] * len(before)
    positions, owners = list(range(len(before))), [0] * len(before)
    for number, end in enumerate(ends, 1):
        ids += [last, *end[:-1]]
        labels += end
        positions += range(len(before), len(before) + len(end))
        owners += [number] * len(end)
    return ids, labels, positions, owners


def pad_ends(items: Sequence[Row], pad: int, shared: bool) -> tuple[dict[str, Tensor], dict[str, Tensor], int]:
    """Items whose sequences begin with the same ``prompt`` tokens, as padded inputs, targets, and how many tokens are real.

    Inputs are (sequences, length); where ``shared``, and where that saves enough, (items, length), with each beginning once. Targets:
    ``labels`` in the same shape, the token of an end that comes next, else -100; ``owners`` (labelled tokens,), the sequence of each.
    """
    whole = [[list(sequence["input_ids"]) for sequence in parted(item)] for item in items]
    prompts = [item["prompt"] for item in items]
    ends = [[ids[prompt:] for ids in of_item] for of_item, prompt in zip(whole, prompts, strict=True)]
    owners = torch.tensor([number for number, end in enumerate(end for of_item in ends for end in of_item) for _ in end])
    sequences = [ids[:-1] for of_item in whole for ids in of_item]
    rows = [prompt - 1 + sum(map(len, of_item)) for prompt, of_item in zip(prompts, ends, strict=True)]
    if shared and len(rows) * max(rows) <= WORTH * len(sequences) * max(map(len, sequences)):
        packed = branch([of_item[0][:prompt] for of_item, prompt in zip(whole, prompts, strict=True)], ends, pad)
        return packed.inputs, {"labels": packed.labels, "owners": owners}, sum(rows)
    labels = [[IGNORED] * (prompt - 1) + end for prompt, of_item in zip(prompts, ends, strict=True) for end in of_item]
    return {"input_ids": padded(sequences, pad)}, {"labels": padded(labels, IGNORED), "owners": owners}, sum(map(len, sequences))


def probe() -> tuple[dict[str, Tensor], list[list[int]], list[int]]:
    """A row that holds a beginning with two ends, the two texts, and where each ends in the row, to try a model with."""
    packed = branch([[1, 2, 3]], [[[2, 1], [3, 1, 3]]], 0)
    return packed.inputs, [[1, 2, 3, 2], [1, 2, 3, 3, 1]], [end for _, _, end in packed.places]
