"""LayerNorm tuning: of the pre-trained weights only those of the normalisation layers learn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.model.surgery import amount


@dataclass
class LayerNorm(Strategy):
    """Trains the gains and shifts of all normalisation layers and the head, about 0.05% of the weights, and nothing else.

    Formula: y = g (x - mean(x)) / std(x) + b, of which g and b learn.
    Use when: many tuned models share one base, or a model of one kind of data is to read another; it wants a rate near 1e-3.
    Cost: memory x0.4 (gradients and optimizer state nearly vanish, activations stay), time x0.7.
    Source: Zhao et al. 2024, "Tuning LayerNorm in Attention: Towards Efficient Multi-Modal LLM Finetuning", section 3.
    Differs: the head of a task learns too; the norm above the last layer counts as one of the model's.
    """

    owns: ClassVar[frozenset[str]] = frozenset({"which pre-trained weights learn"})

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        learns = param.kind in ("head", "norm") or param.added
        return rule if learns else replace(rule, learns=False)

    def begin(self, run: Run) -> None:
        norms = [param for param in run.params.values() if param.kind == "norm"]
        if not norms:
            raise InputError(Problem("layer_norm: the model has no normalisation layers", "Use lora, or freeze"))
        run.say(f"layer_norm: {amount(sum(param.size for param in norms))} weights of {len(norms)} gains and shifts learn, and the head")
