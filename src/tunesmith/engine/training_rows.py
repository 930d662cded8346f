"""The training rows of a run as the trunk cache reads them: in batches of like length, each text known by what the model reads of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.run import Run
from tunesmith.data.batches import length_batches
from tunesmith.data.encode import Encoded
from tunesmith.engine.hidden import Key, keys_of, texts_of
from tunesmith.model.frontier import NotCacheableError, Tower

POSITIONS = 8192  # in one forward pass while the cache is filled, padding included

Told = tuple[list[Key], Tensor | None]  # the key of each text of a batch, and which text each position belongs to


class TrainingRows:
    """The items of ``train``; nothing of them is computed before it is asked for, and then once."""

    def __init__(self, run: Run, train: Encoded, tokenizer: Any) -> None:
        self.run, self.train, self.tokenizer = run, train, tokenizer
        self._digests: dict[str, bytes] = {}

    @cached_property
    def parts(self) -> list[npt.NDArray[np.int64]]:
        """The items of each task."""
        parts: dict[int, list[int]] = {}
        for item in range(len(self.train)):
            parts.setdefault(self.run.task.part_of(self.train[item]), []).append(item)
        return [np.array(own) for own in parts.values()]

    @cached_property
    def ends(self) -> list[list[int]]:
        """The shortest and the longest item of each task."""
        lengths = self.train.lengths
        return [sorted({int(own[lengths[own].argmin()]), int(own[lengths[own].argmax()])}) for own in self.parts]

    @cached_property
    def batches(self) -> list[list[int]]:
        """All items in batches of like length; of several tasks, each has its own."""
        lengths = self.train.lengths
        return [own[order].tolist() for own in self.parts for order in length_batches(lengths[own], POSITIONS)]

    def batch(self, items: Sequence[int], **more: Any) -> Batch:
        """Items put together, each with ``more`` features."""
        return self.run.task.collate([{**self.train[item], **more} for item in items], self.tokenizer).to(self.run.device)

    def told_apart(self, tower: Tower, batch: Batch) -> Told:
        """The key of each text of a batch, and which text each position belongs to."""
        inputs = tower.reads(batch.inputs)
        pad = getattr(getattr(self.tokenizer, "tokenizer", self.tokenizer), "pad_token_id", None)
        texts = texts_of(inputs, batch.targets.get("labels"), pad)
        return keys_of(inputs, texts), texts

    def check(self, tower: Tower) -> None:
        """Raise ``NotCacheableError`` where the task puts a row together in another way each time, as masked words are drawn anew."""
        for items in self.ends:
            once, again = (self.told_apart(tower, self.batch(items, **draw))[0] for draw in ({}, {"draw": 1}))
            if once != again:
                raise NotCacheableError("the task puts a row together in another way each time")

    def digest(self, tower: Tower) -> bytes:
        """A digest of what the tower reads of all rows, in their batches."""
        if tower.path not in self._digests:
            digest = hashlib.sha256()
            for items in self.batches:
                digest.update(b"".join(self.told_apart(tower, self.batch(items))[0]))
            self._digests[tower.path] = digest.digest()
        return self._digests[tower.path]
