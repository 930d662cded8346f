"""Prompt tuning: learned vectors before the text, through peft."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn

from tunesmith.core.clock import Clock
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.adapters import frozen, wrap
from tunesmith.model.soft_prompts import encoder_of, read_after, room_for, tried, vectors_of, virtual_tokens
from tunesmith.model.surgery import amount


@dataclass
class Prompt(Strategy):
    """Freezes the model and learns a few vectors that stand before the embeddings of every text; a new head learns as usual.

    Formula: the model reads [p_1, ..., p_n, e(x_1), ..., e(x_m)] with p learned and everything else as it was pre-trained.
    Use when: many tasks share one large model, and each may cost only some kilobytes. Small models lose much. It wants rates of 0.01 up.
    Cost: memory x0.5 (no gradients of weights; activations stay), time x0.8; texts are longer by n positions.
    Source: Lester, Al-Rfou and Constant 2021, "The Power of Scale for Parameter-Efficient Prompt Tuning", section 2.
    Differs: a classifier's own head learns too, where the paper has the model write the label. The vectors start as words of the training
    rows after what all rows begin with, since a classifier may read the first position; at random they are normal, not uniform.
    """

    tokens: int = setting(20, "how many vectors", low=1)
    start: str = setting("words", "what the vectors start as: words of the training rows, or at random", choices=("words", "random"))

    owns: ClassVar[frozenset[str]] = frozenset({"which pre-trained weights learn"})
    natural_rate: ClassVar[tuple[float, str] | None] = (3e-2, "peft's guides to soft prompts: 3e-3 to 3e-2 with AdamW")

    @classmethod
    def example(cls) -> Prompt:
        return cls(tokens=2)

    def adapt(self, model: nn.Module) -> nn.Module:
        from peft import PromptTuningConfig

        adapted = read_after(wrap(model, PromptTuningConfig(**virtual_tokens(model, self.tokens))))
        self._frozen = frozen(adapted)
        return adapted

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        return replace(rule, learns=False) if param.name in self._frozen else rule

    def begin(self, run: Run) -> None:
        room_for(self.tokens, run)
        added = [param for param in run.params.values() if param.added and "prompt_encoder" in param.name]
        tried(run, "prompt")
        if self.start == "words" and run.train:
            encoder_of(run.model).embedding.weight.data.copy_(vectors_of(run, self.tokens))
        run.say(f"prompt: {amount(sum(param.size for param in added))} weights added")
