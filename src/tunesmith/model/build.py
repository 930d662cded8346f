"""``build``: a model ready for a task, from whatever names it, and one line that says what it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import nn

from tunesmith.core.errors import InputError, Problem, concerning
from tunesmith.core.task import Head, Task
from tunesmith.core.words import Say
from tunesmith.model.backbone import describe
from tunesmith.model.mean_layer import hold
from tunesmith.model.parts import PAIRS, parts_of
from tunesmith.model.processor import feeder
from tunesmith.model.quiet import quiet
from tunesmith.model.sources import ModelSource, resolve
from tunesmith.model.surgery import amount
from tunesmith.model.tokenizer import bound, load_tokenizer
from tunesmith.model.weights import Loaded, load

# Heads that read each token for itself.
OF_TOKENS = ("AutoModelForTokenClassification", "AutoModelForQuestionAnswering", "AutoModelForMaskedLM", "AutoModelForPreTraining")


@dataclass
class Model:
    """A module with the tokenizer that feeds it.

    ``module``     a model of transformers, or a ``PeftModel`` around one, in evaluation mode
    ``tokenizer``  a tokenizer of transformers; a ``Processor`` around one for a model that sees or hears
    ``about``      one line: name, family, size, number format, source, licence, and what is new
    ``fresh``      names of the parameters that no file held, and that start at random
    """

    module: nn.Module
    tokenizer: Any
    source: ModelSource
    about: str
    fresh: tuple[str, ...]


def build(spec: str, head: Head, say: Say | None = None, dtype: torch.dtype = torch.float32) -> Model:
    """The model that ``spec`` names (see ``resolve``), with the head of a task and weights in ``dtype``.

    Parameters that no file holds, a new head above all, are drawn from torch's global random numbers: call ``torch.manual_seed``
    first. ``say`` gets a line when something is fetched. Raises ``InputError`` for what cannot be loaded as it is, ``ResourceError``
    for what cannot be reached.
    """
    source = resolve(spec, say)
    with quiet():
        loaded, tokenizer = _joined(source, head, dtype) if source.parts else _whole(source, head, dtype)
    if hold(loaded.module) and head.auto in OF_TOKENS:
        message = (
            f"{source.name} ends in a layer that gives every position the mean of all (mean_pooling), so no token can be told from another"
        )
        raise InputError(Problem(message, "Name the model that it was made of", source.spec))
    return Model(loaded.module, tokenizer, source, about(source, loaded, dtype), loaded.fresh)


def _whole(source: ModelSource, head: Head, dtype: torch.dtype) -> tuple[Loaded, Any]:
    tokenizer = (load_tokenizer(source.adapter) if source.adapter else None) or load_tokenizer(source.path)
    loaded = load(source, head, tokenizer, dtype)
    if tokenizer is not None:
        bound(tokenizer, loaded.module)
    elif loaded.module.main_input_name == "input_ids":
        raise InputError(Problem("There is no tokenizer beside the weights", "Copy its files there", str(source.path)))
    return loaded, feeder(source.path, loaded.module, tokenizer)


def _joined(source: ModelSource, head: Head, dtype: torch.dtype) -> tuple[Loaded, Any]:
    """The model of a pair, which the module that ``PAIRS`` names makes."""
    joins: Any = import_module(f"tunesmith.model.{PAIRS[tuple(parts_of(source.spec))]}")  # type: ignore[index]
    loaded, tokenizer = joins.join(source.parts, head, dtype)
    return loaded, tokenizer


def build_for(task: Task, spec: str, say: Say | None = None) -> Model:
    """The model that ``spec`` names with the head of ``task``, which has met it: ``build`` for a whole run."""
    with concerning("model"):
        model = build(spec, task.head(), say)
    with concerning("task"):
        lines = task.meet(model.module, model.tokenizer) or ()
    for line in lines:
        if say is not None:
            say(line)
    return model


def about(source: ModelSource, loaded: Loaded, dtype: torch.dtype) -> str:
    """``MiniLM (Bert, 6 layers, 22.7 M parameters, float32) from sample:minilm, Apache-2.0; new head: classifier (0.8 k)``."""
    params = describe(loaded.module)
    layers = next((param.layers for param in params.values()), 0)
    facts = (
        type(loaded.module.config).__name__.removesuffix("Config"),
        f"{layers} layer{'' if layers == 1 else 's'}",
        f"{amount(sum(param.size for param in params.values()))} parameters",
        str(dtype).removeprefix("torch."),
    )
    parts = [f"{source.name} ({', '.join(facts)}) from {source.spec}" + (f", {source.licence}" if source.licence else "")]
    if source.gguf:
        parts.append(f"de-quantised from {source.path.name}")
    if source.adapter:
        learning = sum(weight.numel() for weight in loaded.module.parameters() if weight.requires_grad)
        parts.append(f"with an adapter ({amount(learning)})")
    if loaded.fresh:
        sizes: dict[str, int] = {}
        for name in loaded.fresh:
            part = _part(name, loaded.module)
            sizes[part] = sizes.get(part, 0) + params[name].size
        parts.append("new head: " + ", ".join(f"{part} ({amount(size)})" for part, size in sizes.items()))
    if loaded.unused:
        parts.append("left out: " + ", ".join(_places(loaded.unused, loaded.module)))
    return "; ".join(parts)


def _part(name: str, module: nn.Module) -> str:
    """The first word of a name that says something: ``pooler`` of ``bert.pooler.dense.weight``."""
    said = {"base_model", "model", getattr(module, "base_model_prefix", "")}
    return next((word for word in name.split(".") if word not in said), name)


def _places(names: Iterable[str], module: nn.Module) -> list[str]:
    """For names that the module does not have, the shortest beginnings that it does not have either: ``cls``, ``encoder.layer.6``."""
    prefix = f"{getattr(module, 'base_model_prefix', '')}."
    known = {name for full, _ in module.named_modules() for name in (full, full.removeprefix(prefix))}
    words = (name.split(".") for name in sorted(names))
    starts = ([".".join(parts[:end]) for end in range(1, len(parts) + 1)] for parts in words)
    return list(dict.fromkeys(next((start for start in each if start not in known), each[-1]) for each in starts))
