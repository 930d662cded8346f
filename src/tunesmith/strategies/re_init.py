"""Re-initialisation: the top layers start anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.backbone import layers
from tunesmith.model.surgery import check_layers


@dataclass
class ReInit(Strategy):
    """Draws the top transformer layers and the pooler anew, as before pre-training, since they are fitted to the task of pre-training.

    Formula: w ~ N(0, s^2), s the family's initializer_range; biases 0, norms 1, in the top ``layers`` layers and the pooler.
    Use when: data are few and results differ much from seed to seed; 1 to 6 of BERT's top layers. It needs some hundred steps.
    Cost: memory x1, time x1.
    Source: Zhang et al. 2021, "Revisiting Few-sample BERT Fine-tuning", section 5.
    Differs: every family draws as it does itself, so that GPT-2 scales its residual layers; the top of an encoder-decoder is its decoder.
    """

    layers: int = setting(1, "how many transformer layers start anew, counted from the top", low=0)
    pooler: bool = setting(True, "whether the pooler, where there is one, starts anew")

    owns: ClassVar[frozenset[str]] = frozenset({"which pre-trained weights learn"})  # what is drawn anew must

    def adapt(self, model: nn.Module) -> nn.Module:
        found = layers(model)
        check_layers(self.layers, len(found), "start anew")
        self._parts: list[nn.Module] = found[len(found) - self.layers :]
        self._parts += [part for name, part in model.named_modules() if self.pooler and name.rpartition(".")[2] == "pooler"]
        draw(model, self._parts)
        return model

    def begin(self, run: Run) -> None:
        if not self._parts:
            run.say("re_init: nothing starts anew; give layers" if not self.pooler else "re_init: the model has no pooler")

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        if run.clock.step == 0 and any(not w.requires_grad for part in self._parts for w in part.parameters()):
            run.say("re_init: a part that started anew does not learn yet, so the layers above it see noise; freeze less")
        inner()


@torch.no_grad()
def draw(model: nn.Module, parts: Sequence[nn.Module]) -> None:
    """Draw the weights of ``parts`` anew from torch's global random numbers, as the family of each draws its own."""
    for part in parts:
        family: Any = [outer for outer in model.modules() if hasattr(outer, "_init_weights") and any(m is part for m in outer.modules())][
            -1
        ]
        for tensor in part.parameters():
            vars(tensor).pop("_is_hf_initialized", None)  # by which transformers tells what it loaded, and leaves it alone
        for module in reversed(list(part.modules())):  # what a whole layer says of its parts counts last
            family._init_weights(module)
