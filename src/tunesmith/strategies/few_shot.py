"""Few shots: the layers learn from pairs of rows which of them are of one class, and the head from the labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Clock, Span
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.loss import Loss
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.data.encode import numbers_of
from tunesmith.data.partners import lacking
from tunesmith.data.unlabelled import batch_of
from tunesmith.model.body import body, cut, recorded
from tunesmith.model.contrastive import READ, by_class, sentences
from tunesmith.model.divergence import weighted
from tunesmith.model.domains import check_features
from tunesmith.model.mean_layer import can_end_in_mean, reads_mean

AUTO = "auto"
LOSSES = (AUTO, "cosine", "info_nce")


@dataclass
class FewShot(Strategy):
    """Makes many pairs of few rows: vectors of one class are drawn together and of two apart; then the layers freeze and the head goes on.

    Formula: until a time the body's loss is mean (cos(x, p) - 1)^2 / 2 + mean cos(x, n)^2 / 2 over p, the rows of the batch of the class
    of x, and n, those of others; or mean -log(exp(cos(x, p) / t) / (exp(cos(x, p) / t) + sum exp(cos(x, n) / t))). Where a class has one
    row in the batch, another is drawn. The head learns from labels all the time.
    Use when: a class has 4 to 15 rows; start from a model of sentences (MiniLM at a rate of 1e-4 for few classes, 3e-5 for many; E5 at
    2e-5), with mean_pooling, so that the head reads what pairs teach, and last_layer, which solves for it. Give it epochs: 40 for 8 rows of
    each of two classes, 15 for 20. Alone it pays for two or three classes of up to 100 rows (benchmarks/README.md).
    Cost: memory and time x1 to x2, by how many rows need one that is drawn, until the layers freeze; then what they give is computed once.
    Source: Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts" (SetFit), arXiv:2209.11055, section 3; the other loss: van
    den Oord et al. 2018, arXiv:1807.03748, equation 4.
    Differs: all rows of a batch are compared, where the authors' code encodes both rows of each pair anew; the head is the model's own,
    learned by gradients rather than by logistic regression, from the start, on what the layers give, which its gradient does not reach.
    """

    until: Span = setting(Span(70, "%"), "how long the layers learn, from pairs alone: 70%, 2ep, 200st; 0 is plain tuning")
    pair_loss: str = setting(
        AUTO, "cosines are to be 1 and 0, or the likest is to be found; auto: this where the head reads what is compared", choices=LOSSES
    )
    temperature: float = setting(0.05, "info_nce: what cosines are divided by", above=0)
    pooling: str = setting("mean", "what is compared: the mean of the last states, or what the head reads", choices=tuple(READ))

    needs: ClassVar[frozenset[str]] = frozenset({"logits", "labels of whole texts"})
    owns: ClassVar[frozenset[str]] = frozenset({"the label of each row of a batch"})
    compares: ClassVar[bool] = True
    applies: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {"temperature": ("pair_loss", ("info_nce",))}

    @classmethod
    def example(cls) -> FewShot:
        return cls(until=Span(4, "st"))

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        steps = self.until.steps(clock)
        return rule if param.head or not steps or clock.step < steps else replace(rule, learns=False)

    def begin(self, run: Run) -> None:
        self._members: dict[int, list[int]] = {}  # label -> its items in run.train
        steps = min(self.until.steps(run.clock), run.clock.total)
        if not steps:
            run.say("few_shot: no time is given to pairs, so it does nothing; raise until")
            return
        check_features(run.model, "few_shot")
        read = self.pooling == "head" or reads_mean(run.model)
        self._finds = self.pair_loss == "info_nce" or (self.pair_loss == AUTO and read)
        if getattr(run.task, "kind", "") != "single":
            raise InputError(Problem("few_shot: the task has no single label for each row", "Take few_shot out of strategies"))
        for item, label in enumerate(numbers_of(run.train, "label").tolist()):
            self._members.setdefault(label, []).append(item)
        if run.train and len(self._members) < 2:
            raise InputError(Problem("few_shot: all rows have one label, so no two are apart", "Give rows of another label"))
        if alone := sum(len(items) == 1 for items in self._members.values()):
            run.say(f"few_shot: {alone:,} labels have a row each, which is its own pair: nothing but dropout tells the two apart")
        passes = f"{steps / run.clock.steps_per_epoch:.0f} passes"
        run.say(f"few_shot: layers learn from pairs for {steps:,} of {run.clock.total:,} steps, {passes}; the head learns all the time")
        if not read and can_end_in_mean(run.model):
            run.say("few_shot: pairs teach the mean of the states, which this head does not read; beside mean_pooling it does")

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        part = body(run.model)
        if not self._members or part is None or run.clock.step >= self.until.steps(run.clock):
            return inner(batch)
        with cut(part) as outputs:  # labels teach the head alone
            loss = inner(batch)
        labels = batch.targets["labels"].tolist()
        known = [place for place, label in enumerate(labels) if label in self._members]
        if not known:
            return loss
        rows, seed = batch.rows.tolist(), seed_of(run.seed, "few_shot", run.clock.step, run.micro)
        drawn = lacking(self._members, [(labels[i], rows[i]) for i in known], seed)
        vectors = self._vectors(outputs[0], batch, run)[known]
        others = torch.cat([vectors, self._embed([run.train[item] for item in drawn], run)]) if drawn else vectors
        classes = torch.tensor([labels[i] for i in known] + [int(run.train[item]["label"]) for item in drawn], device=run.device)
        found = by_class(vectors, others, classes, self.temperature if self._finds else None)
        terms = vectors.new_zeros(len(batch)).index_copy(0, torch.tensor(known, device=run.device), found)
        return loss.plus("few_shot", weighted(terms, loss))

    def _embed(self, rows: list[dict[str, Any]], run: Run) -> Tensor:
        batch, part = batch_of(rows, run), body(run.model)
        assert part is not None
        with recorded(part) as outputs:
            run.forward(batch)
        return self._vectors(outputs[0], batch, run)

    def _vectors(self, output: Any, batch: Batch, run: Run) -> Tensor:
        return sentences(output, batch.inputs, run.model.config, self.pooling)
