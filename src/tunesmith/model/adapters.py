"""Models inside adapters of peft: what they may attach to, and how they are wrapped."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.param import Param
from tunesmith.model.backbone import describe
from tunesmith.model.surgery import matching

ROLES = {"attention": {"attention"}, "mlp": {"mlp"}, "all": {"attention", "mlp"}}


def wrap(model: nn.Module, config: Any) -> nn.Module:
    """The model inside an adapter of peft, freshly made. Raises ``InputError`` where peft cannot attach it to this model."""
    from peft import get_peft_model

    refuse_adapted(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for a property by its old name
        try:
            adapted: nn.Module = get_peft_model(model, config)
        except (ValueError, TypeError, AttributeError) as error:
            reason = str(error).strip().partition("\n")[0]
            kind = str(config.peft_type.value).lower()
            raise InputError(
                Problem(f"{kind} cannot be attached to {type(model).__name__} ({reason})", "Use lora, or another kind")
            ) from error
    return adapted


def low_rank(model: nn.Module, targets: str | Sequence[str], rank: int, **settings: Any) -> nn.Module:
    """The model with a low-rank update beside the linear layers that ``targets`` mean; the head learns in full.

    ``settings`` are those of peft's LoRA, by its names. Raises ``InputError`` for targets that mean no layer, or one that is too narrow.
    """
    from peft import LoraConfig

    params = describe(model)
    layers = linear_layers(model, params, [targets] if isinstance(targets, str) else targets)
    narrow = [name for name in layers if rank > min(params[f"{name}.weight"].shape)]
    if narrow:
        raise InputError(Problem(f"rank {rank} is more than {narrow[0]} has", "Lower rank, or leave it out of targets"))
    config = LoraConfig(
        r=rank,
        target_modules=layers,
        modules_to_save=head_modules(model, params),
        fan_in_fan_out=not isinstance(model.get_submodule(layers[0]), nn.Linear),  # GPT-2's Conv1D keeps (in, out)
        **settings,
    )
    return wrap(model, config)


def is_adapted(model: nn.Module) -> bool:
    """Whether peft has wrapped the model. Does not import peft, which takes a while: before that nothing can be wrapped."""
    peft = sys.modules.get("peft")
    return peft is not None and isinstance(model, peft.PeftModel)


def refuse_adapted(model: nn.Module) -> None:
    """Raise ``InputError`` for a model with an adapter of peft: the folder of a run holds one adapter on a whole model."""
    if is_adapted(model):
        kind = str(model.active_peft_config.peft_type.value).lower()  # type: ignore[union-attr]
        remedy = (
            "Merge it first (tunesmith export RUN --to merged) and name the new folder as the model, or go on tuning it without another"
        )
        raise InputError(Problem(f"the model is an adapter already ({kind}), and a second one needs a whole model below it", remedy))


def merged(adapted: nn.Module) -> nn.Module:
    """The model with its adapter folded into its weights, and its head; the adapted one is used up. Raises what peft raises."""
    from peft.utils.other import ModulesToSaveWrapper

    for name, part in list(adapted.named_modules()):
        if isinstance(part, ModulesToSaveWrapper):  # peft itself cannot put a head of several layers back, beside other kinds than lora
            above, _, own = name.rpartition(".")
            whole = part.unload_and_optionally_merge_module(merge=True, safe_merge=True, adapter_names=None)
            setattr(adapted.get_submodule(above), own, whole)
    folded: nn.Module = adapted.merge_and_unload(safe_merge=True)  # type: ignore[operator]
    return folded


def frozen(adapted: nn.Module) -> frozenset[str]:
    """The names of the parameters that do not learn under the adapter."""
    return frozenset(name for name, parameter in adapted.named_parameters() if not parameter.requires_grad)


def linear_layers(model: nn.Module, params: Mapping[str, Param], targets: Sequence[str]) -> list[str]:
    """The names of the linear layers below the head that ``targets`` mean, in the model's order.

    A target is a role (``attention``, ``mlp``, ``all``) or matches names as ``tunesmith.model.surgery`` does.
    Raises ``InputError`` for a target that means none.
    """
    from transformers.pytorch_utils import Conv1D

    refuse_adapted(model)
    linear = {f"{name}.weight": name for name, module in model.named_modules() if isinstance(module, (nn.Linear, Conv1D))}
    inside = {weight: params[weight] for weight in linear if weight in params and not params[weight].head}

    def meant(target: str) -> set[str]:
        return (
            {weight for weight, param in inside.items() if param.kind in ROLES[target]} if target in ROLES else matching(inside, [target])
        )

    chosen = [meant(target) for target in targets]
    if not chosen or not all(chosen):
        raise InputError(Problem(f"no linear layer is meant by targets {list(targets)}", "Name layers, or write all"))
    return [linear[weight] for weight in inside if weight in set().union(*chosen)]


def head_modules(model: nn.Module, params: Mapping[str, Param]) -> list[str]:
    """The largest modules that belong to the head alone: they learn in full, and are saved with the adapter.

    The output matrix of a language model is none of them: it was pre-trained with the rest.
    """
    head = {name for name, param in params.items() if param.kind == "head" and model.get_parameter(name).requires_grad}
    output = getattr(model, "get_output_embeddings", lambda: None)()
    found: list[str] = []
    for name, module in model.named_modules():
        own = {f"{name}.{inner}" for inner, _ in module.named_parameters()}
        if own and own <= head and module is not output and not name.startswith(tuple(f"{other}." for other in found)):
            found.append(name)
    return found
