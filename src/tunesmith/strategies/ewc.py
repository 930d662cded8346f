"""EWC: weights that mattered for the past are held where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.data.past import AUTO, InTurn, no_past, past_items
from tunesmith.model.embedding import of_table, to_table

Named = dict[str, Tensor]


@dataclass
class EWC(Strategy):
    """Holds each weight to where the past left it, as firmly as the past's loss depends on it: its Fisher information.

    Formula: loss + strength / 2 * sum_i F_i (w_i - w*_i)^2, F_i = mean over rows of the past of (d log p / d w_i)^2 at w*.
    Use when: rows of the past can be seen once more when a stage begins, but not be kept in training.
    Cost: memory x1.5 (importance and anchor of every weight); time x1.05, and a pass of the past's rows one by one at the start.
    Source: Kirkpatrick et al. 2017, "Overcoming catastrophic forgetting in neural networks", equation 3; latest: Schwarz et al. 2018,
    "Progress & Compress", equation 9.
    Differs: labels are those of the rows (the empirical Fisher information); penalties of several stages become one of the same gradient.
    """

    strength: float = setting(1000.0, "lambda, weight of the penalty; 0 is none", low=0)
    past: Any = setting(
        AUTO, "the rows of the past: a file, a folder or a run; auto: the stage before, and what is remembered of earlier ones"
    )
    num_rows: int = setting(200, "rows of the past from which importance is taken", low=1)
    anchor: str = setting("each", "where weights are held: where each stage left them, or the latest did", choices=("each", "latest"))
    decay: float = setting(1.0, "what is left of the importance of earlier stages after one more", low=0, high=1)

    inherits: ClassVar[bool] = True

    @classmethod
    def example(cls) -> EWC:
        return cls(past=[{"text": "a very slow film", "label": "bad"}, {"text": "wonderful music", "label": "good"}], strength=1e4)

    def begin(self, run: Run) -> None:
        self.importance: Named = {}
        self.held: Named = {}
        parts = past_items(self.past, self._past, run.task, run.tokenizer) if self.strength else []
        if not parts:
            run.say(no_past("ewc", self.strength))
            return
        before = dict(self._past.memory) if self._past else {}
        items = InTurn(parts[-1:] if before.get("importance") else parts)
        if self.num_rows > len(items):
            run.say(f"ewc: importance is taken from {self.num_rows:,} rows, and the past has {len(items):,}: all of them are seen")
        stride = max(1, len(items) // self.num_rows)
        weights = {name: w for name, w in run.model.named_parameters() if w.requires_grad and name not in run.fixed}
        new = {name: to_table(run.model, name, f) for name, f in fisher(run, items[: stride * self.num_rows : stride], weights).items()}
        here = {name: to_table(run.model, name, w.detach(), own=True) for name, w in weights.items()}
        for name, old in before.get("importance", {}).items():
            if name in run.params and (name not in new or new[name].shape == old.shape):  # of a new head nothing is held
                self.importance[name], self.held[name] = self.decay * old, before["held"][name]
        for name, value in new.items():
            old = self.importance.get(name)
            if old is not None and self.anchor == "each":
                self.held[name] = joined(old, self.held[name], value, here[name])
            else:
                self.held[name] = here[name].clone()
            self.importance[name] = value if old is None else old + value

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if not self.importance:
            return loss
        held = ((name, w) for name, w in run.learning().items() if name in self.importance)
        return loss.penalty("ewc", self.strength / 2 * distance(self._pairs(run, held)))

    def _pairs(self, run: Run, held: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for name, w in held:
            yield w, of_table(run.model, name, self.held[name]), of_table(run.model, name, self.importance[name])


def distance(parts: Iterator[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """The sum of F (w - w*)^2 over all elements of (w, w*, F), as a scalar; 0 for none."""
    return sum(((w.float() - anchor).square() * importance).sum() for w, anchor, importance in parts) + torch.zeros(())


def joined(one: Tensor, at: Tensor, other: Tensor, there: Tensor) -> Tensor:
    """Where the sum of two squared penalties, ``one`` around ``at`` and ``other`` around ``there``, is least."""
    total = one + other
    return torch.where(total > 0, (one * at + other * there) / total.clamp_min(torch.finfo(total.dtype).tiny), there)


def fisher(run: Run, items: Sequence[dict[str, Any]], weights: Mapping[str, Tensor]) -> Named:
    """The mean over ``items`` of the squared gradient of each one's loss, by name and in the shape of its weight; without dropout."""
    found = {name: torch.zeros_like(w) for name, w in weights.items()}
    run.model.eval()
    for item in items:
        run.model.zero_grad(set_to_none=True)
        batch = run.task.collate([item], run.tokenizer).to(run.device)
        loss = run.task.objective(batch, run.forward)
        (loss.sum / max(loss.count, 1e-12)).backward()  # type: ignore[no-untyped-call]
        for name, w in weights.items():
            if w.grad is not None:
                found[name] += w.grad.square() / len(items)
    run.model.zero_grad(set_to_none=True)
    run.model.train()
    return found
