"""Prefix tuning: learned keys and values in every layer, through peft."""

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
from tunesmith.model.soft_prompts import encoder_of, keys_and_values, laid_out, make, read_after, tried, virtual_tokens, words_of
from tunesmith.model.surgery import amount

PERCEPTRON = 0.1  # multiple of the rate of a perceptron, each of whose weights moves the whole prefix


@dataclass
class Prefix(Strategy):
    """Freezes the model and learns keys and values that every layer attends to beside those of the text; a new head learns as usual.

    Formula: in each layer softmax(q [P_k; K]' / sqrt(d)) [P_v; V], P_k and P_v (n, d) learned.
    Use when: prompt tuning is too weak, and the weights must stay as they are. It wants rates of 1e-3 to 1e-2.
    Cost: memory x0.5 (no gradients of weights; activations stay), time x0.8.
    Source: Li and Liang 2021, "Prefix-Tuning: Optimizing Continuous Prompts for Generation", section 4.
    Differs: the prefix is learned itself; with projection it comes out of a two-layer perceptron, as in the paper's section 4.3, at a
    tenth of the rate. It starts as what the layers make of words (section 7.4): what all training rows begin with, and words of theirs;
    in encoder-decoders at random.
    """

    tokens: int = setting(20, "how many keys and values in each layer", low=1)
    projection: bool = setting(False, "whether a perceptron makes the prefix")
    start: str = setting("words", "what the prefix starts as: words of the training rows, or at random", choices=("words", "random"))

    owns: ClassVar[frozenset[str]] = frozenset({"which pre-trained weights learn"})
    natural_rate: ClassVar[tuple[float, str] | None] = (1e-2, "Liu et al. 2022, P-Tuning v2, authors' scripts: 5e-3 to 1e-2")

    @classmethod
    def example(cls) -> Prefix:
        return cls(tokens=2)

    def adapt(self, model: nn.Module) -> nn.Module:
        from peft import PrefixTuningConfig

        told = virtual_tokens(model, self.tokens) | laid_out(model)
        width = model.config.get_text_config().hidden_size  # type: ignore[union-attr, operator]
        told |= {"encoder_hidden_size": width, "prefix_projection": self.projection}
        adapted = read_after(wrap(model, PrefixTuningConfig(**told)))
        self._frozen = frozen(adapted)
        return adapted

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        if self.projection and "prompt_encoder" in param.name:
            rule = replace(rule, rate=rule.rate * PERCEPTRON)
        return replace(rule, learns=False) if param.name in self._frozen else rule

    def begin(self, run: Run) -> None:
        added = [param for param in run.params.values() if param.added and "prompt_encoder" in param.name]
        tried(run, "prefix")
        if self.start == "words" and run.train:
            self._start(run)
        run.say(f"prefix: {amount(sum(param.size for param in added))} weights added")

    def _start(self, run: Run) -> None:
        """Let the prefix be what the layers make of words."""
        base, encoder = run.model.get_base_model(), encoder_of(run.model)  # type: ignore[operator]
        if base.config.is_encoder_decoder:
            return
        with run.forward.precision():
            vectors = keys_and_values(base, words_of(run, self.tokens)).float()
        if self.projection:
            make(encoder, vectors)
        else:
            encoder.embedding.weight.data.copy_(vectors)
