"""Any other method of the peft library, by its name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import nn

from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.adapters import frozen, head_modules, linear_layers, wrap
from tunesmith.model.backbone import describe
from tunesmith.model.surgery import amount

KINDS = ("ia3", "vera", "loha", "lokr", "oft", "fourierft", "hra", "randlora")


@dataclass
class Peft(Strategy):
    """Freezes the pre-trained weights and learns what a method of the peft library adds to them; the head learns as usual.

    Formula: that of the method: (IA)3 scales keys, values and the inputs of the second feed-forward matrix by learned vectors; VeRA learns
    two scaling vectors of shared random matrices; LoHa and LoKr are low-rank updates by Hadamard and Kronecker products.
    Use when: even LoRA has too many weights (ia3, vera), or a study compares methods.
    Cost: memory x0.3 to x0.5, time x0.7 to x1.2, by the method.
    Source: (IA)3: Liu et al. 2022, section 3.3; VeRA: Kopiczko et al. 2024; LoHa: Hyeon-Woo et al. 2022; OFT: Qiu et al. 2023.
    Differs: linear layers of attention and feed-forward blocks are found for every family.
    """

    kind: str = setting("ia3", "the method, as peft calls it", choices=KINDS)
    targets: str | list[str] = setting("all", "linear layers: attention, mlp, all, or parts of names, or patterns with * and ?")
    settings_of_peft: dict[str, Any] = setting(factory=dict, text="further settings of the method, under the names that peft has for them")

    owns: ClassVar[frozenset[str]] = frozenset({"which pre-trained weights learn"})

    @classmethod
    def example(cls) -> Peft:
        return cls()

    def adapt(self, model: nn.Module) -> nn.Module:
        from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftType

        maker = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(self.kind.upper())]
        if unknown := sorted(set(self.settings_of_peft) - set(maker.__dataclass_fields__)):
            known = ", ".join(sorted(set(maker.__dataclass_fields__) - {"target_modules", "modules_to_save", "peft_type"}))
            raise InputError(Problem(f"peft: {self.kind} has no setting '{unknown[0]}'", f"Known: {known}"))
        adapted = wrap(model, maker(**self._told(model) | self.settings_of_peft))
        self._frozen = frozen(adapted)
        return adapted

    def _told(self, model: nn.Module) -> dict[str, Any]:
        """What is attached where, in this model."""
        params = describe(model)
        layers = linear_layers(model, params, [self.targets] if isinstance(self.targets, str) else self.targets)
        told: dict[str, Any] = {"target_modules": layers, "modules_to_save": head_modules(model, params)}
        if self.kind == "ia3":  # which side is scaled depends on the layer: inputs of matrices that narrow, outputs of others
            narrowing = [name for name in layers if params[f"{name}.weight"].kind == "mlp" and _narrows(model.get_submodule(name))]
            told |= {"feedforward_modules": narrowing}
        return told

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        return replace(rule, learns=False) if param.name in self._frozen else rule

    def begin(self, run: Run) -> None:
        added = [param for param in run.params.values() if param.added and not param.head]
        run.say(f"peft: {self.kind}, {amount(sum(param.size for param in added))} weights added")


def _narrows(layer: nn.Module) -> bool:
    """Whether a linear layer has fewer outputs than inputs."""
    if isinstance(layer, nn.Linear):
        return layer.out_features < layer.in_features
    size = layer.weight.shape  # GPT-2's Conv1D keeps (in, out)
    return bool(size[1] < size[0])  # type: ignore[index]
