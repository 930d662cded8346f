"""Models inside adapters of peft: what they may attach to, and how they are wrapped."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.param import Param
from tunesmith.core.run import Run
from tunesmith.model.backbone import describe
from tunesmith.model.surgery import matching

ROLES = {"attention": {"attention"}, "mlp": {"mlp"}, "all": {"attention", "mlp"}}
# How peft calls what a model is for, by the end of the name of its class.
KINDS = {
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
    "ForConditionalGeneration": "SEQ_2_SEQ_LM",
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
    "Model": "FEATURE_EXTRACTION",
}


def wrap(model: nn.Module, config: Any) -> nn.Module:
    """The model inside an adapter of peft, freshly made. Raises ``InputError`` where peft cannot attach it to this model."""
    from peft import get_peft_model

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


def virtual_tokens(model: nn.Module, count: int) -> dict[str, Any]:
    """What every configuration of peft with learned tokens is told: how many, how wide, and what the model is for."""
    config: Any = model.config
    embeddings = getattr(model, "get_input_embeddings", lambda: None)()
    kind = kind_of(model)
    if kind is None or embeddings is None:
        raise InputError(Problem(f"learned tokens cannot be put before the text of {type(model).__name__}", "Use lora"))
    text = config.get_text_config()
    return {
        "task_type": kind,
        "num_virtual_tokens": count,
        "token_dim": embeddings.weight.shape[1],
        "num_transformer_submodules": 2 if kind == "SEQ_2_SEQ_LM" else 1,
        "num_attention_heads": text.num_attention_heads,
        "num_layers": text.num_hidden_layers,
    }


def room_for(count: int, run: Run) -> None:
    """Raise ``InputError`` where a text with ``count`` learned tokens before it is longer than the model's positions."""
    config: Any = run.model.config
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    longest = max((item["length"] for item in run.train), default=0)
    if positions and longest + count > positions:
        remedy = f"Give task.max_length: {positions - count} or less, or fewer tokens"
        raise InputError(Problem(f"{count} learned tokens and {longest} of the longest text are more than {positions} positions", remedy))


def tried(run: Run, name: str) -> None:
    """Call the adapted model once. Raises ``InputError`` where its family cannot do what the adapter asks of it.

    Nor can any where texts share a row of a batch: learned tokens before the row would stand before the first of them alone. Where no
    setting of the task says so, they do not share any from now on.
    """
    if not run.train:
        return
    by_length = sorted(range(len(run.train)), key=lambda item: run.train[item]["length"])
    together = run.task.collate([run.train[item] for item in {*by_length[:2], by_length[-1]}], run.tokenizer)
    mask = together.inputs.get("attention_mask")
    if mask is not None and mask.dim() > 2 and "pack" not in run.task.settings():
        run.task.unpack()
    elif mask is not None and mask.dim() > 2:
        raise InputError(Problem(f"{name} puts tokens before a row of the batch, and several texts share one", "Set task.pack to false"))
    try:
        with torch.no_grad():
            run.forward(run.task.collate([run.train[0]], run.tokenizer))
    except (ValueError, RuntimeError, NotImplementedError, TypeError) as error:
        reason = str(error).strip().partition("\n")[0]
        model = getattr(run.model, "base_model", run.model)
        raise InputError(Problem(f"{name} does not work with {type(model).__name__} ({reason})", "Use lora")) from error


def kind_of(model: nn.Module) -> str | None:
    """What peft calls the work of a model; None where it has no name for it."""
    name = type(model).__name__
    return next((kind for ending, kind in KINDS.items() if name.endswith(ending)), None)


def linear_layers(model: nn.Module, params: Mapping[str, Param], targets: Sequence[str]) -> list[str]:
    """The names of the linear layers below the head that ``targets`` mean, in the model's order.

    A target is a role (``attention``, ``mlp``, ``all``) or matches names as ``tunesmith.model.surgery`` does.
    Raises ``InputError`` for a target that means none.
    """
    from transformers.pytorch_utils import Conv1D

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
    head = {name for name, param in params.items() if param.kind == "head"}
    output = getattr(model, "get_output_embeddings", lambda: None)()
    found: list[str] = []
    for name, module in model.named_modules():
        own = {f"{name}.{inner}" for inner, _ in module.named_parameters()}
        if own and own <= head and module is not output and not name.startswith(tuple(f"{other}." for other in found)):
            found.append(name)
    return found
