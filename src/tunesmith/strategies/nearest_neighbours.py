"""Nearest neighbours: the model answers with the classes of the training rows that are nearest to what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from torch import Tensor

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.label_task import LabelTask
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.core.task import Prediction, Row
from tunesmith.data.batches import length_batches
from tunesmith.data.unlabelled import POSITIONS, batch_of
from tunesmith.model.body import body
from tunesmith.model.contrastive import READ
from tunesmith.model.domains import judging
from tunesmith.model.neighbours import Mixing, Neighbours, Rows, vectors_of
from tunesmith.model.routing import evenly

SHARE = 0.25  # where none is given or chosen
SHARES = (0.0, 0.1, SHARE, 0.5, 0.75)  # that are tried


@dataclass
class NearestNeighbours(Strategy):
    """Keeps the vectors and labels of training rows beside the model, and mixes the labels of the nearest ones into what it answers.

    Formula: p = (1 - strength) p_model + strength p_rows; p_rows(y) = sum over the k nearest rows i of label y of exp(-d_i / t) / sum over
    all k of exp(-d_i / t), d = |v - v_i|^2, v the vector of a row by the tuned model, of length 1.
    Use when: classes have many kinds or few rows, whose exceptions weights smooth away; labels can be looked up in rows that are near.
    Training is as it was; rows can be removed or added by tuning again alone.
    Cost: a pass over the rows that are kept at each evaluation; in use num_rows x hidden x 4 bytes, and a product with them for each row.
    Source: Khandelwal et al. 2020, "Generalization through Memorization" (kNN-LM), arXiv:1911.00172, equations 2 and 3; Kassner and Schütze
    2020, "BERT-kNN", arXiv:2005.00766; for classes Li et al. 2021, "KNN-BERT", arXiv:2110.02523.
    Differs: vectors have length 1, so that a temperature means the same for every model; the authors learn contrastively besides.
    """

    strength: float | Literal["auto"] = setting(
        "auto",
        "share of the neighbours in what is answered, 0 changes nothing; auto: 0.25, at the end by validation rows",
        low=0,
        high=1,
    )
    num_neighbours: int = setting(16, "training rows that are asked, the nearest ones", low=1)
    temperature: float = setting(0.1, "what squared distances, 0 to 4, are divided by; less lets the nearest decide", above=0)
    vector: str = setting("head", "what is compared: what the head reads, or the mean of the last states", choices=tuple(READ))
    num_rows: int = setting(50_000, "training rows that are kept at most, in equal distances", low=1)

    needs: ClassVar[frozenset[str]] = frozenset({"labels of whole texts"})

    @classmethod
    def example(cls) -> NearestNeighbours:
        return cls(strength=0.5, num_neighbours=3)

    def begin(self, run: Run) -> None:
        self._own: Neighbours | None = None
        if (kind := getattr(run.task, "kind", "")) != "single":
            message = f"nearest_neighbours: neighbours vote for one class each, and task.kind is {kind}"
            raise InputError(Problem(message, "Take it out of strategies"))
        if body(run.model) is None:
            message = "nearest_neighbours: this model has no head apart from its layers, so rows have no vectors"
            raise InputError(Problem(message, "Take it out of strategies"))
        if self.strength and run.train:
            share = SHARE if self.strength == "auto" else self.strength
            self._own = Neighbours(Mixing(share, self.num_neighbours, self.temperature, self.vector), lambda: self.rows(run))
            self._own.put_on(run.model)

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        if self._own is not None:
            self._own.resting = True
        inner()

    @contextmanager
    def finished(self, run: Run) -> Iterator[None]:
        """From here to the next step the model answers with neighbours; the weights that ship may come only after the last step."""
        if self._own is not None:
            self._own.resting = False
            self._own.forget()
        yield

    def settle(self, run: Run, answers: Callable[[], list[Prediction]], truths: Sequence[Row]) -> None:
        """Choose the share by the metric that decides and, where that is equal, by log loss: mixtures follow from their two ends."""
        own, task = self._own, cast(LabelTask, run.task)
        if own is None or self.strength != "auto":
            return
        best, why = SHARE, "no validation rows by which to choose"
        if truths:
            alone, near = (task.table(own.asked(share, answers)) for share in (0.0, 1.0))
            found = {share: task.metrics(task.predictions((1 - share) * alone + share * near), truths) for share in SHARES}
            sign = 1 if task.higher_is_better else -1
            by = task.primary if task.primary in found[0] else "log_loss"  # these rows may not define the first
            best = max(SHARES, key=lambda share: (sign * found[share].get(task.primary, 0.0), -found[share]["log_loss"]))
            why = f"{by} on the validation rows {', '.join(f'{of[by]:.4g} at {at:g}' for at, of in found.items())}"
        self.strength = own.settle(best, run.model)
        run.say(f"nearest_neighbours: the share of the neighbours is {best:g}; {why}")

    def rows(self, run: Run) -> Rows:
        """The training rows that are kept, as the model sees them."""
        train: Any = run.train
        kept = np.array(evenly(range(len(train)), self.num_rows))
        vectors: dict[int, Tensor] = {}
        classes: dict[int, Tensor] = {}
        with judging(run.model), torch.no_grad():
            for places in length_batches(train.lengths[kept], POSITIONS):
                batch = batch_of([train[item] for item in kept[places].tolist()], run)
                found = vectors_of(run.model, partial(run.forward, batch), batch.inputs, self.vector)
                vectors.update(zip(places.tolist(), found, strict=True))
                classes.update(zip(places.tolist(), batch.targets["labels"], strict=True))
        order = range(len(kept))
        return torch.stack([vectors[place] for place in order]), torch.stack([classes[place] for place in order])
