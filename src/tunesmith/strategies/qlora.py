"""QLoRA: LoRA beside weights that are kept in 4 bits, through bitsandbytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn

from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.adapters import frozen, linear_layers, low_rank
from tunesmith.model.backbone import describe
from tunesmith.model.four_bit import quantise, require
from tunesmith.model.surgery import amount


@dataclass
class QLoRA(Strategy):
    """Keeps the pre-trained linear layers in 4 bits, and learns a low-rank update beside them; the head learns as usual.

    Formula: y = dequantised(c, s) x + alpha / rank * B A x; s = max |w| of a block of 64, c = w / s as one of 16 quantiles of N(0, 1).
    Use when: the weights of the model and what it computes do not fit into the memory of the GPU together. It trains as lora does.
    Cost: memory x0.65 of lora's while training (SmolLM2-135M, 4 rows of 64 tokens, bfloat16: 1.05 GB at most, lora 1.63 GB), 0.52 bytes
    for a weight instead of 4; time: the codes become numbers again in each pass, which was not measured.
    Source: Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs", section 3.
    Differs: the model is read, judged and shipped as it was pre-trained: until training begins, and when it is over, the weights take all
    their memory. Embeddings and what else is not linear stay precise; the optimizer is not paged.
    """

    rank: int = setting(8, "rank of the update", low=1)
    alpha: float = setting(16, "scale of the update, which is alpha / rank", above=0)
    dropout: float = setting(0.0, "dropout before A, 0 to below 1", low=0, high=0.99)
    targets: str | list[str] = setting(
        "all", "linear layers with an update: attention, mlp, all, or parts of names, or patterns with * and ?"
    )
    double: bool = setting(True, "double quantisation: keep the scales of the blocks in 8 bits, 0.127 bits a weight instead of 0.5")

    owns: ClassVar[frozenset[str]] = frozenset({"which pre-trained weights learn"})

    def __post_init__(self) -> None:
        require("qlora")

    @classmethod
    def example(cls) -> QLoRA:
        return cls(rank=2, alpha=4)

    def adapt(self, model: nn.Module) -> nn.Module:
        if hasattr(model, "peft_config"):
            raise InputError(Problem("qlora: the model has an adapter already", "Merge it into its base first: tunesmith export"))
        layers = {id(model.get_submodule(name)) for name in linear_layers(model, describe(model), ["all"])}
        adapted = low_rank(model, self.targets, self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout)
        self._size = quantise(adapted, [name for name, part in adapted.named_modules() if id(part) in layers], self.double)
        self._frozen = frozen(adapted)
        return adapted

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        return replace(rule, learns=False) if param.name in self._frozen else rule

    def begin(self, run: Run) -> None:
        added = amount(sum(param.size for param in run.params.values() if "lora_" in param.name))
        whole = sum(param.size for param in run.params.values() if not param.added)
        kept = f"{amount(self._size)} of {amount(whole)} weights are kept in 4 bits" if self._size else "no weight can be kept in 4 bits"
        run.say(f"qlora: {kept}, {added} added, of rank {self.rank}")
