"""LoRA: low-rank updates beside frozen weights, through peft."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn

from tunesmith.core.clock import Clock
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.adapters import frozen, low_rank
from tunesmith.model.surgery import amount

INITIALISATIONS: dict[str, bool | str] = {"uniform": True, "gaussian": "gaussian", "pissa": "pissa"}  # ours -> peft's


@dataclass
class LoRA(Strategy):
    """Freezes the pre-trained weights and learns a low-rank update beside the linear layers; the head learns as usual.

    Formula: y = W x + alpha / rank * B A x, A (rank, in), B (out, rank); rank_stabilised: alpha / sqrt(rank); dora: rows of learned norm.
    Use when: the model is large for the memory, or many tuned models share one base. It wants about ten times the rate of full fine-tuning.
    Cost: memory x0.3 to x0.5 (no gradients and moments of the base; activations stay), time x0.7 to x0.9; dora: time x1.2.
    Source: Hu et al. 2021, "LoRA", equation 3; DoRA: Liu et al. 2024, equation 5; rsLoRA: Kalajdzievski 2023; PiSSA: Meng et al. 2024;
            LoRA+: Hayou et al. 2024, section 4.
    Differs: all linear layers by default (the paper: queries and values); A starts uniform as in peft, or gaussian as in the paper.
    Of two towers that meet in a similarity, targets vision_model or text_model means one; their temperature, which is in no layer, stays.
    """

    rank: int = setting(8, "rank of the update", low=1)
    alpha: float = setting(16, "scale of the update, which is alpha / rank", above=0)
    dropout: float = setting(0.0, "dropout before A, 0 to below 1", low=0, high=0.99)
    targets: str | list[str] = setting("all", "linear layers: attention, mlp, all, or parts of names, or patterns with * and ?")
    dora: bool = setting(False, "DoRA: learn the norm of each output's weights apart from their direction")
    rank_stabilised: bool = setting(False, "rsLoRA: divide alpha by the square root of the rank")
    b_rate: float = setting(1.0, "LoRA+: learning rate of B as a multiple of that of A; 16 in the paper", above=0)
    initialisation: str = setting("uniform", "of A, B being zero; pissa: A and B from the SVD of W", choices=tuple(INITIALISATIONS))

    owns: ClassVar[frozenset[str]] = frozenset({"which pre-trained weights learn"})
    shardable: ClassVar[bool] = True

    @classmethod
    def example(cls) -> LoRA:
        return cls(rank=2, alpha=4)

    def adapt(self, model: nn.Module) -> nn.Module:
        adapted = low_rank(
            model,
            self.targets,
            self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            use_dora=self.dora,
            use_rslora=self.rank_stabilised,
            init_lora_weights=INITIALISATIONS[self.initialisation],
        )
        self._frozen = frozen(adapted)
        return adapted

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        if param.name in self._frozen:
            return replace(rule, learns=False)
        return replace(rule, rate=rule.rate * self.b_rate) if "lora_B" in param.name else rule

    def begin(self, run: Run) -> None:
        added = [param for param in run.params.values() if "lora_" in param.name]
        run.say(f"lora: {amount(sum(param.size for param in added))} weights added, of rank {self.rank}")
