"""Several texts in one row of a batch, each as if it stood there alone: places that padding would take hold other texts."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

IGNORED = -100  # a position that no token is learned at


@dataclass(frozen=True)
class Packed:
    """Texts in rows.

    ``inputs``  ``input_ids`` (rows, length) and, where a row holds several texts, ``position_ids`` (rows, length), which begin at 0 with
                each text, and ``attention_mask`` (rows, 1, length, length), float32: 0 where a position sees another, the lowest number
                elsewhere. A decoder that looks back alone needs neither where each row is one text, with padding behind it
    ``labels``  (rows, length) the token that comes next, -100 where none is to be learned
    ``places``  the row, the first position and the position behind the last of each text, in the order of the texts
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    places: list[tuple[int, int, int]]


def packs(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Which texts share a row: those of each row by their numbers, ``size`` tokens together at most; longer texts stand alone.

    The longest text comes first, and each goes where it leaves the least room (best fit decreasing: at most 11/9 of the fewest rows,
    Johnson 1974, "Fast algorithms for bin packing"). Rows are in the order of their first text.
    """
    rows: list[list[int]] = []
    free: list[tuple[int, int]] = []  # (room, row), in order
    for text in sorted(range(len(lengths)), key=lambda text: (-lengths[text], text)):
        fits = next((place for place, (room, _) in enumerate(free) if room >= lengths[text]), None)
        if fits is None:
            room, row = max(size, lengths[text]), len(rows)
            rows.append([])
        else:
            room, row = free.pop(fits)
        rows[row].append(text)
        insort(free, (room - lengths[text], row))
    return sorted((sorted(row) for row in rows), key=lambda row: row[0])


def pack(texts: Sequence[Sequence[int]], labels: Sequence[Sequence[int]], pad: int, size: int | None = 0) -> Packed:
    """Token ids of texts, and for each of their positions the token that is to come next, in rows of at most ``size`` tokens.

    A row is never shorter than the longest text: with ``size`` 0 rows are as long as without packing, and fewer; with None, each text
    has a row of its own. No position sees another text, so that a text has the same loss in any company.
    """
    lengths = [len(text) for text in texts]
    rows = [[text] for text in range(len(texts))] if size is None else packs(lengths, max(size, *lengths))
    length = max(sum(len(texts[text]) for text in row) for row in rows)
    ids, positions = torch.full((len(rows), length), pad), torch.zeros(len(rows), length, dtype=torch.int64)
    known, owners = torch.full_like(ids, IGNORED), torch.full_like(ids, -1)
    places = [(0, 0, 0)] * len(texts)
    for row, members in enumerate(rows):
        start = 0
        for text in members:
            end = start + len(texts[text])
            ids[row, start:end] = torch.tensor(texts[text])
            known[row, start:end] = torch.tensor(labels[text])
            positions[row, start:end] = torch.arange(end - start)
            owners[row, start:end] = text
            places[text] = (row, start, end)
            start = end
    inputs = {"input_ids": ids}
    if len(rows) < len(texts):
        inputs |= {"position_ids": positions, "attention_mask": block_mask(owners)}
    return Packed(inputs, known, places)


def by_text(places: Sequence[tuple[int, int, int]], labels: Tensor, losses: Tensor, right: Tensor) -> list[dict[str, float | int]]:
    """For each text, by its place in ``labels`` (rows, length): the sum of its losses, how many tokens were right, and how many it has.

    ``losses`` and ``right`` (tokens,) are those of the labelled tokens, in the order of their positions.
    """
    there = labels.cpu() != IGNORED
    loss, hit = (torch.zeros(there.shape, dtype=torch.float64).masked_scatter(there, part.double().cpu()) for part in (losses, right))
    parts = [(row, slice(start, end)) for row, start, end in places]
    return [{"loss": float(loss[at].sum()), "right": int(hit[at].sum()), "tokens": int(there[at].sum())} for at in parts]


def probe() -> tuple[dict[str, Tensor], list[list[int]], list[int]]:
    """A row that holds two texts, the texts, and where each ends in the row, to try a model with. Any tokens will do."""
    texts = [[1, 2, 3], [3, 1]]
    packed = pack(texts, texts, 0, 5)
    return packed.inputs, texts, [end for _, _, end in packed.places]


def block_mask(owners: Tensor, shared: int | None = None) -> Tensor:
    """What is added to attention scores so that a position sees its own text up to itself: (rows, 1, length, length), float32.

    ``owners`` (rows, length) tells the text of each position by its number; padding is a text too. That with the number ``shared`` is
    seen by all that stands behind it.
    """
    seen = owners[:, :, None] == owners[:, None, :]
    seen = (seen if shared is None else seen | (owners == shared)[:, None, :]).tril()
    return torch.zeros(seen.shape).masked_fill_(~seen, torch.finfo(torch.float32).min)[:, None]
