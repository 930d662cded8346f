"""Dropout: how often values are dropped while training, set anew for a pre-trained model."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy


@dataclass
class Dropout(Strategy):
    """Sets the probability with which hidden values, and attention weights, are dropped while training.

    Formula: y = m * x / (1 - rate), each element of m is 0 with probability rate and 1 else; y = x when the model is used.
    Use when: training is so short that nothing is over-fitted: 0 then learns faster; or the gap to validation is wide: try 0.2.
    Cost: memory x0.9 and time x0.8 to x0.95 at 0, since no masks are drawn and kept; x1 at the model's own rate.
    Source: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", section 4.
    Differs: the paper scales the weights when the model is used; here, as everywhere now, what is kept is scaled while training.
    """

    rate: float = setting(0.0, "probability that a hidden value is dropped, 0 to below 1", low=0, high=0.99)
    attention: float | None = setting(None, "the same for attention weights; when not said: as rate", low=0, high=0.99)

    @classmethod
    def example(cls) -> Dropout:
        return cls(rate=0.3)

    def adapt(self, model: nn.Module) -> nn.Module:
        self._places = set_dropout(model, self.rate, self.rate if self.attention is None else self.attention)
        return model

    def begin(self, run: Run) -> None:
        if not self._places:
            run.say("dropout: the model has none, so nothing was set")


def set_dropout(model: nn.Module, rate: float, attention: float) -> int:
    """Set the probability of every dropout in ``model``, whether it is a module or a number that a module holds.

    Those in a module named after attention get ``attention``; the dropout of an adapter (LoRA's) is left alone. Returns how many were set.
    """
    places = 0
    for name, module in model.named_modules():
        if "lora_" in name:
            continue
        for held, value in vars(module).items():
            if "dropout" in held and isinstance(value, float):
                setattr(module, held, attention if "att" in held else rate)
                places += 1
        if isinstance(module, nn.Dropout):
            module.p = attention if weighs(name) else rate
            places += 1
    return places


def weighs(name: str) -> bool:
    """Whether a dropout module of this name drops attention weights, not the values that attention puts out."""
    parent, _, own = name.rpartition(".")
    holder = parent.rpartition(".")[2].lower()
    return "att" in own or (("att" in holder or holder == "self") and "resid" not in own)
