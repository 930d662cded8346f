"""Bottleneck adapters: small networks in every layer learn, the layers themselves do not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn

from tunesmith.core.clock import Clock
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.adapters import head_modules, refuse_adapted
from tunesmith.model.backbone import describe
from tunesmith.model.bottleneck import ACTIVATIONS, NAME, Placement, put_on
from tunesmith.model.surgery import amount

KINDS: dict[str, tuple[tuple[str, ...], bool, float]] = {  # behind which parts of a layer, whether beside them, scale
    "houlsby": (("attention", "mlp"), False, 1.0),
    "pfeiffer": (("mlp",), False, 1.0),
    "parallel": (("mlp",), True, 4.0),
}


@dataclass
class Adapter(Strategy):
    """Freezes the pre-trained weights and learns a small network with a narrow middle in every layer; the head learns as usual.

    Formula: h + s (U f(D h + d) + u), h the output of attention and feed-forward part (houlsby) or of the latter alone (pfeiffer), D
    (size, hidden); parallel: h + s (U f(D x + d) + u), x the input of the feed-forward part.
    Use when: many tuned models share one base, or the base must not change; unlike LoRA it is not linear, and costs a little in use.
    Cost: memory x0.4 to x0.6 (no gradients and moments of the base; activations stay), time x0.7 to x0.8; in use: time x1.03 to x1.06.
    Source: Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP", section 2.1; Pfeiffer et al. 2021, "AdapterFusion",
    section 3.1 and figure 5; parallel, s = 4: He et al. 2022, "Towards a Unified View of Parameter-Efficient Transfer Learning", 4.5;
    skip: Rücklé et al. 2021, "AdapterDrop", section 3.
    Differs: U starts at 0 (He et al.), where Houlsby starts near it; it acts before the dropout of its sublayer. The shipped folder holds
    the untouched layers with the head (a pooler is part of it), and the adapters in files of their own: tunesmith joins them, other
    libraries load the rest alone.
    """

    kind: str = setting("pfeiffer", "where the networks stand", choices=tuple(KINDS))
    size: int = setting(48, "width of the narrow middle; 8 to 256 are usual", low=1)
    activation: str = setting("relu", "f, the function in the middle", choices=tuple(ACTIVATIONS))
    scale: float | None = setting(None, "s, what is learned is multiplied with it; when not said: 1, and 4 where kind is parallel", above=0)
    skip: int = setting(0, "layers without one, counted from the bottom: these are computed once for each row", low=0)
    norms: bool = setting(False, "whether the gains and shifts of normalisation layers learn too, as Houlsby's do: the base changes then")

    owns: ClassVar[frozenset[str]] = frozenset({"which pre-trained weights learn"})

    @classmethod
    def example(cls) -> Adapter:
        return cls(size=4)

    def adapt(self, model: nn.Module) -> nn.Module:
        refuse_adapted(model)
        heads = tuple(f"{name}." for name in head_modules(model, describe(model)))
        parts, parallel, scale = KINDS[self.kind]
        put_on(model, Placement(parts, parallel, self.size, self.activation, scale if self.scale is None else self.scale, self.skip))
        self._learning = frozenset(name for name, _ in model.named_parameters() if name.startswith(heads) or f".{NAME}." in name)
        return model

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        learns = param.name in self._learning or param.added or (self.norms and param.kind == "norm")
        return rule if learns else replace(rule, learns=False)

    def begin(self, run: Run) -> None:
        added = [param for param in run.params.values() if f".{NAME}." in param.name]
        count = len({param.name.partition(f".{NAME}.")[0] for param in added})
        run.say(f"adapter: {amount(sum(param.size for param in added))} weights added, in {count} bottlenecks of {self.size}")
        run.say("adapter: the model's folder keeps them apart, so load it with tunesmith: transformers alone would leave them out")
