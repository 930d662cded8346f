"""Last-layer retraining: what the layers give is taken as it is, and the classifier on it is solved for anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.label_task import LabelTask
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.core.task import Prediction, Row
from tunesmith.data.groups import KINDS
from tunesmith.data.unlabelled import passes
from tunesmith.model.divergence import scores
from tunesmith.model.domains import judging
from tunesmith.model.last_layer import best_penalty, given_to, last_linear, solved
from tunesmith.model.substitute import swapped

EVENLY = "none"


@dataclass
class LastLayer(Strategy):
    """Replaces the last linear layer by the one that fits best to what the tuned layers give for the training rows, where it is judged.

    Formula: W = (1 - strength) W_0 + strength W*, W_0 as training left it, W* = argmin sum_i c_i l(W f_i, y_i) / sum_i c_i + penalty / 2
    |V|^2; f_i what the layer is given for row i, V the weight for f of variance 1; c_i = 1, or 1 over the rows of the class, group or cell.
    Use when: training is short, or labels are many, so that gradients leave a new head half-way; balance: class where classes, and cell
    where spurious cues, are uneven. Not where layers know the training rows by heart. For 1,000 rows of 20 topics a penalty of 1e-4 brought
    4.7 points and auto 0.6, for Chinese reviews it lost 6.0 and auto brought 2.2; for 8 rows of each, beside few_shot, 5.3
    (benchmarks/README.md).
    Cost: a pass over the training rows at each evaluation and at the end; memory x1.
    Source: Kirichenko et al. 2023, "Last Layer Re-Training is Sufficient for Robustness to Spurious Correlations", section 4 (DFR on
    training rows); Kang et al. 2020, "Decoupling Representation and Classifier for Long-Tailed Recognition", section 4.1 (cRT).
    Differs: an exact minimum by L-BFGS with an L2 penalty, where DFR averages several with L1; rows are weighed, rather than left out.
    """

    strength: float = setting(1.0, "how far the layer goes to the one that fits best, 0 to 1; 0 does nothing", low=0, high=1)
    penalty: float | Literal["auto"] = setting(
        "auto", "lambda, how small weights are kept; auto: the best on rows held out in turn", above=0
    )
    balance: str = setting(EVENLY, "what counts alike: rows, classes, groups, or cells of both", choices=(EVENLY, *KINDS))

    needs: ClassVar[frozenset[str]] = frozenset({"logits", "logits of whole rows"})

    @classmethod
    def example(cls) -> LastLayer:
        return cls(penalty=0.01)

    def begin(self, run: Run) -> None:
        self._name: str | None = None
        self._solved: dict[str, Tensor] = {}
        self._found = ""
        if not self.strength or not run.train:
            return
        if not isinstance(run.task, LabelTask):
            raise InputError(Problem("last_layer: the answers of this task are not those of a layer alone", "Take it out of strategies"))
        if self.balance != EVENLY:
            KINDS[self.balance](run.train, "last_layer")
        _, batch = next(passes(run.train, run))
        with judging(run.model), torch.no_grad():
            self._name = last_linear(run.model, lambda: scores(run.task.objective(batch, run.forward), "last_layer")[0])
        if self._name is None:
            raise InputError(Problem("last_layer: the scores of this model are not those of a linear layer", "Take it out of strategies"))

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        self._solved = {}
        inner()

    @contextmanager
    def finished(self, run: Run) -> Iterator[None]:
        if not self._learned(run):
            yield
            return
        self._solved = self._solved or self._values(run)
        with swapped(run.model, self._solved):
            yield

    def settle(self, run: Run, answers: Callable[[], list[Prediction]], truths: Sequence[Row]) -> None:
        if self._name is not None:
            run.say(f"last_layer: {self._found if self._learned(run) else 'the last layer never learned, and stays as it is'}")

    def _learned(self, run: Run) -> bool:
        return self._name is not None and f"{self._name}.weight" in run.touched

    def _values(self, run: Run) -> dict[str, Tensor]:
        """The weight and, where there is one, the bias by their names."""
        layer: Any = run.model.get_submodule(str(self._name))
        found: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        with judging(run.model), torch.no_grad(), given_to(layer) as given:
            for rows, batch in passes(run.train, run):
                loss = run.task.objective(batch, run.forward)
                logits, targets = scores(loss, "last_layer")
                counts = torch.ones(len(logits), device=run.device) if loss.weights is None else loss.weights
                found.update(zip(rows, zip(given(logits).float(), targets, counts, strict=True), strict=True))
        states, targets, counts = (torch.stack(parts) for parts in zip(*(found[row] for row in range(len(found))), strict=True))
        given_rows = states, targets, counts * self._counts(run).to(counts), layer
        penalty = best_penalty(*given_rows) if self.penalty == "auto" else self.penalty
        fitted = solved(*given_rows, penalty)
        self._found = f"solved for anew on {len(states):,} rows, with a penalty of {penalty:g} at the last evaluation"
        return {
            f"{self._name}.{name}": torch.lerp(weight.detach(), fitted[name].to(weight), self.strength)
            for name, weight in layer.named_parameters()
        }

    def _counts(self, run: Run) -> Tensor:
        """What each training row counts, (rows,)."""
        if self.balance == EVENLY:
            return torch.ones(len(run.train))
        kinds = KINDS[self.balance](run.train, "last_layer")
        return torch.from_numpy(1.0 / np.bincount(kinds)[kinds])
