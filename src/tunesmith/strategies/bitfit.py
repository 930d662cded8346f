"""BitFit: of the pre-trained weights only the biases learn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.surgery import amount


@dataclass
class BitFit(Strategy):
    """Trains the biases of the pre-trained model and the head, about 0.1% of the weights, and nothing else.

    Formula: y = W x + b, of which only b learns, in attention, feed-forward and normalisation alike.
    Use when: many tuned models share one base, or data are few (up to some thousand rows); it wants a rate near 1e-3.
    Cost: memory x0.4 (gradients and optimizer state nearly vanish, activations stay), time x0.7.
    Source: Ben Zaken, Goldberg and Ravfogel 2022, "BitFit: Simple Parameter-efficient Fine-tuning", section 3.
    Differs: the paper's smaller subset (query and second feed-forward bias) is not offered; parts chooses by kind of layer.
    """

    parts: str = setting("all", "whose biases learn", choices=("all", "attention", "mlp", "norm"))

    owns: ClassVar[frozenset[str]] = frozenset({"which pre-trained weights learn"})

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        learns = param.kind == "head" or param.added or is_bias(param, self.parts)
        return rule if learns else replace(rule, learns=False)

    def begin(self, run: Run) -> None:
        learning = [param for param in run.params.values() if param.kind != "head" and is_bias(param, self.parts)]
        if not learning:
            known = sorted({param.kind for param in run.params.values() if param.bias and param.kind != "head"})
            remedy = f"Biases are in: {', '.join(known)}" if known else "Use lora, or freeze"
            raise InputError(Problem(f"bitfit: the model has no biases in '{self.parts}'", remedy))
        run.say(f"bitfit: {amount(sum(param.size for param in learning))} weights in {len(learning)} biases learn, and the head")


def is_bias(param: Param, parts: str = "all") -> bool:
    """Whether ``param`` is a bias of the pre-trained model, in layers of the kind ``parts`` (``all``: of any kind)."""
    return param.bias and not param.added and parts in ("all", param.kind)
