"""Weights into a module: what fits is loaded, what is new is named, and what does not belong together is refused."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tunesmith.core.errors import InputError, Problem, ResourceError
from tunesmith.core.task import Head
from tunesmith.model import bottleneck
from tunesmith.model.backbone import describe
from tunesmith.model.ending import sees_ahead
from tunesmith.model.files import CONFIG, read_json
from tunesmith.model.gguf import trainable
from tunesmith.model.heads import WRITES, class_of, keep_names, named, renamed
from tunesmith.model.labels import follow
from tunesmith.model.soft_prompts import read_after
from tunesmith.model.sources import ModelSource
from tunesmith.model.tokenizer import pad_alike, token_embedding

_OFFLINE = {"local_files_only": True, "trust_remote_code": False}


@dataclass(frozen=True)
class Loaded:
    """A module as it came from its files.

    ``fresh``   names of parameters that no file held
    ``unused``  names in the files that the module has no place for
    """

    module: Any
    fresh: tuple[str, ...]
    unused: frozenset[str]


def load(source: ModelSource, head: Head, tokenizer: Any, dtype: torch.dtype) -> Loaded:
    """The model in ``source`` with a task's head, its adapter included. Raises ``InputError`` for what does not fit together."""
    folder, inside = (source.path.parent, {"gguf_file": source.path.name}) if source.gguf else (source.path, {})
    described = {} if source.gguf else _usable(folder / CONFIG)
    head = head.of(described.get("model_type", ""))
    config = _configuration(folder, head, inside)
    auto = class_of(config, head)
    names = renamed(config, auto)
    if tokenizer is not None:
        pad_alike(config, tokenizer)
    with _reading(source.path):
        module, info = auto.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # a head for other labels starts anew; any other misfit is refused below
            use_safetensors=True,
            key_mapping=names,
            **_OFFLINE,
            **inside,
        )
    keep_names(module, names)
    if source.gguf:
        module = trainable(module)
    module.name_or_path = source.spec if source.kind == "hub" else str(source.path.resolve())  # what an adapter will call its base
    lost = info["missing_keys"] | {name for name, *_ in info["mismatched_keys"]}
    if "id2label" in described and "id2label" in head.config:
        lost.update(follow(module, described["id2label"], head.config["id2label"]))
    loaded = Loaded(module, tuple(name for name, _ in module.named_parameters() if name in lost), frozenset(info["unexpected_keys"]))
    _check_backbone(loaded, source.path, head)
    with _reading(source.path):
        reads = auto.__name__ == WRITES and sees_ahead(module)
    if reads:
        raise InputError(Problem(f"{config.model_type} models read texts and do not write any", named(head)))
    bottleneck.read(module, folder)
    return _adapted(loaded, source.adapter) if source.adapter else loaded


def _usable(file: Path) -> dict[str, Any]:
    """The configuration as it is written, where transformers can build the model from it and the weights can learn."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    written = read_json(file)
    family = written.get("model_type", "")
    if family not in CONFIG_MAPPING_NAMES:
        why = "needs Python code of its own (auto_map), which is never run" if "auto_map" in written else "is not known to transformers"
        raise InputError(Problem(f"The model type '{family}' {why}", "Name a model of another family, or upgrade transformers", str(file)))
    if "quantization_config" in written:
        raise InputError(Problem("The weights are quantised, and cannot learn", "Name the model they were made from", str(file)))
    return written


def _configuration(folder: Path, head: Head, inside: dict[str, str]) -> Any:
    """The configuration with the head's settings, each of which must be one that the family has."""
    from transformers import AutoConfig

    with _reading(folder):
        config, unknown = AutoConfig.from_pretrained(folder, return_unused_kwargs=True, **_OFFLINE, **inside, **head.config)
    ignored = sorted(set(unknown) & set(head.config))
    if ignored:
        raise InputError(Problem(f"{config.model_type} models have no setting '{ignored[0]}'", "Name a model of another family"))
    return config


def _check_backbone(loaded: Loaded, path: Path, head: Head) -> None:
    """Refuse weights of another architecture: a new head is fine, new layers or token embeddings are not.

    Cross-attention that the head asked for is in no pre-trained decoder.
    """
    asked = "cross" if head.config.get("add_cross_attention") else "\n"  # which is in no name
    params = describe(loaded.module)
    embedding = f"{token_embedding(loaded.module)[0]}.weight"
    inner = [name for name in loaded.fresh if 0 < params[name].depth <= params[name].layers or name == embedding]
    lost = [name for name in inner if asked not in name]
    if lost:
        what = f"Pre-trained weights are missing or have another shape: {lost[0]}" + (f" and {len(lost) - 1} more" if lost[1:] else "")
        raise InputError(Problem(what, f"Name a folder where the weights are those that {CONFIG} describes", str(path)))


def _adapted(loaded: Loaded, folder: Path) -> Loaded:
    """The model inside its PEFT adapter, which can go on learning. A head that was saved with the adapter is not fresh."""
    from peft import PeftConfig, PeftModel

    with _reading(folder), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        prompts = PeftConfig.from_pretrained(str(folder)).is_prompt_learning  # these peft loads only to be used
        module = PeftModel.from_pretrained(loaded.module, str(folder), is_trainable=not prompts)
        module = read_after(module) if prompts else module
    for name, weight in module.named_parameters() if prompts else ():
        weight.requires_grad_("prompt_encoder." in name or ".modules_to_save." in name)
    if any("missing adapter keys" in str(warning.message) for warning in said):
        raise InputError(Problem("The adapter lacks weights that its configuration describes", "Copy its folder again", str(folder)))
    names = [name for name, _ in module.named_parameters()]
    return replace(loaded, module=module, fresh=tuple(name for name in names if any(name.endswith(f".{new}") for new in loaded.fresh)))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What libraries raise at files they cannot use is the user's to mend, whatever its type."""
    try:
        yield
    except Exception as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if isinstance(error, MemoryError) or "allocate memory" in reason:
            raise ResourceError(Problem("The model does not fit into memory", "Name a smaller one", str(path))) from error
        raise InputError(Problem(f"The model cannot be loaded ({reason})", "Mend its files, or name another model", str(path))) from error
