"""P-tuning: learned vectors before the text, made by a small network, through peft."""

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
from tunesmith.model.soft_prompts import encoder_of, make, read_after, room_for, tried, vectors_of, virtual_tokens
from tunesmith.model.surgery import amount


@dataclass
class PTuning(Strategy):
    """Freezes the model and learns vectors before the text through a small network that ties them to one another.

    Formula: p = f(h_1, ..., h_n), f a multi-layer perceptron or an LSTM, h learned; the model reads [p_1, ..., p_n, e(x_1), ..., e(x_m)].
    Use when: prompt tuning is unstable: the network makes the vectors easier to learn, and is not needed afterwards.
    Cost: memory x0.5, time x0.8; texts are longer by n positions.
    Source: Liu et al. 2021, "GPT Understands, Too", section 3.
    Differs: all vectors stand before the text, where the paper also puts them inside a template; they start as words of the training rows
    after what all rows begin with, which the network's last layer is solved for.
    """

    tokens: int = setting(20, "how many vectors", low=1)
    width: int = setting(128, "width of the network's hidden layers", low=1)
    network: str = setting("mlp", "what makes the vectors", choices=("mlp", "lstm"))

    owns: ClassVar[frozenset[str]] = frozenset({"which pre-trained weights learn"})
    natural_rate: ClassVar[tuple[float, str] | None] = (1e-2, "measured: benchmarks/README.md, Soft prompts")

    @classmethod
    def example(cls) -> PTuning:
        return cls(tokens=2, width=8)

    def adapt(self, model: nn.Module) -> nn.Module:
        from peft import PromptEncoderConfig, PromptEncoderReparameterizationType

        kind = PromptEncoderReparameterizationType[self.network.upper()]
        config = PromptEncoderConfig(
            **virtual_tokens(model, self.tokens), encoder_hidden_size=self.width, encoder_reparameterization_type=kind
        )
        adapted = read_after(wrap(model, config))
        self._frozen = frozen(adapted)
        return adapted

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        return replace(rule, learns=False) if param.name in self._frozen else rule

    def begin(self, run: Run) -> None:
        room_for(self.tokens, run)
        added = [param for param in run.params.values() if param.added and "prompt_encoder" in param.name]
        tried(run, "p_tuning")
        if run.train:
            make(encoder_of(run.model), vectors_of(run, self.tokens))
        run.say(f"p_tuning: {amount(sum(param.size for param in added))} weights added")
