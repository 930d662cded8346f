"""The anatomy of a model: its transformer layers from the bottom up, and the depth and kind of every parameter.

Families name their parts differently and order them differently, but all keep their layers in a list of modules with attention
inside. Whatever is not in such a list is placed by its module's position relative to the lists; names decide only where a
family's position would mislead. Where it is in doubt, a parameter is placed too low rather than too high: what lies below the
first parameter that learns is computed once and kept.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import Any

from torch import nn

from tunesmith.core.param import Param

# Read before the layers although it is defined after them, or beside a deeper stack. The last two are DeBERTa's.
_BOTTOM = re.compile(r"embed(?!_out)|prompt|\b(wte|wpe)\b|relative_attention_bias|\bencoder\.(LayerNorm|conv)\.")
# Read after the layers although it is defined before them.
_TOP = re.compile(r"final|embed_out|project_out|logit_scale|logit_bias")
# Leads from an encoder to its decoder.
_BRIDGE = re.compile(r"\benc_to_dec_proj\b")

_ATTENTION = re.compile(r"att(entio)?n", re.IGNORECASE)
_MLP = re.compile(r"mlp|ffn|\bff\b|feed_?forward|\bfc\d|\blin\d|dense|intermediate|output|expert|(gate|up|down)_proj", re.IGNORECASE)
_WRAPPED = re.compile(r"\.(base_layer|original_module)(?=\.)")  # where peft moves what it wraps
_COPIED = re.compile(r"\.modules_to_save\.\w+(?=\.)")  # where peft keeps the copy of a head that learns


@dataclass(frozen=True)
class LayerStack:
    """Lists of modules that together make the layers of one encoder or decoder.

    ``parent``  name of the module that holds the lists
    ``lists``   their names; most models have one
    ``place``   position among all modules, in order of definition
    ``size``    number of layers
    ``below``   depth of whatever the lowest layer reads
    """

    parent: str
    lists: tuple[str, ...]
    place: int
    size: int
    below: int = 0

    @property
    def top(self) -> int:
        return self.below + self.size


def describe(module: nn.Module, before: AbstractSet[str] | None = None, fresh: Collection[str] = ()) -> dict[str, Param]:
    """Every parameter by name, with its depth and kind.

    Embeddings have depth 0, layers 1 to L, and the head (classifier, pooler, final norm, a layer that pools) L + 1. In an encoder-decoder
    the decoder's layers follow the encoder's. Two towers that meet only in a similarity (CLIP) are counted side by side, and the lower one
    ends where the higher one ends. Layers that share weights are one layer. ``before`` holds the names of parameters that were there
    before a strategy's ``adapt``; all others are marked ``added``, those whose name then is in ``fresh`` as that.
    """
    stacks = stacks_of(module)
    num_layers = max((stack.top for stack in stacks), default=0)
    places = {name: place for place, (name, _) in enumerate(module.named_modules())}
    depths = {f"{name}.{i}": stack.below + i + 1 for stack in stacks for name in stack.lists for i in range(stack.size)}
    params = {}
    for name, parameter in module.named_parameters():
        owner = name.rpartition(".")[0]
        depth = _inside(name, depths)
        if depth is None:
            depth = _outside(name, places[owner], stacks, num_layers)
        params[name] = Param(
            name=name,
            shape=_shape(parameter, module.get_submodule(owner)),
            depth=depth,
            layers=num_layers,
            kind=_kind(name, module.get_submodule(owner), depth, num_layers),
            bias=name.endswith("bias"),
            added=before is not None and before.isdisjoint(_names_before(name)),
            fresh=not _names_before(_COPIED.sub("", name)).isdisjoint(fresh),
        )
    return params


def layers(module: nn.Module) -> list[nn.Module]:
    """The transformer layers from the bottom up: an encoder's before its decoder's, those of two towers interleaved by depth."""
    found: list[tuple[int, nn.Module]] = []
    for stack in stacks_of(module):
        own = list(module.get_submodule(stack.lists[0]).children())[: stack.size]
        found += [(stack.below + i, layer) for i, layer in enumerate(own)]
    return [layer for _, layer in sorted(found, key=lambda item: item[0])]


def pools(layer: nn.Module) -> bool:
    """Whether a layer gives every position the mean of all, as ``mean_layer`` makes it: its matrices of queries and keys are 0."""
    first = list(islice((weight for weight in layer.parameters() if weight.dim() == 2), 2))
    return len(first) == 2 and not any(weight.is_meta or bool(weight.any()) for weight in first)


def stacks_of(module: nn.Module) -> list[LayerStack]:
    """The stacks in order of definition, each with the depth at which it stands."""
    found: list[LayerStack] = []
    modules = dict(module.named_modules())
    for place, (name, child) in enumerate(modules.items()):
        nested = any(name.startswith(f"{other}.") for stack in found for other in stack.lists)
        listed = any(name in stack.lists for stack in found)
        if isinstance(child, nn.ModuleList) and not nested and not listed and _attends(child):
            parent = name.rpartition(".")[0]
            size = len(child) - (len(child) > 1 and pools(child[-1]))  # pooling is a part of the head
            found.append(LayerStack(parent, _alongside(modules[parent], parent, len(child)), place, size))
    if len(found) == 2 and any("logit_scale" in name for name, _ in module.named_parameters()):
        height = max(stack.size for stack in found)
        return [replace(stack, below=height - stack.size) for stack in found]
    below = 0
    for i, stack in enumerate(found):
        found[i] = replace(stack, below=below)
        below += stack.size
    return found


def _shape(parameter: nn.Parameter, owner: Any) -> tuple[int, ...]:
    """The shape of a weight, also where several share a byte."""
    packed = not parameter.is_floating_point() and hasattr(owner, "out_features")
    return (owner.out_features, owner.in_features) if packed else tuple(parameter.shape)


def _attends(layers: nn.ModuleList) -> bool:
    return any("Attention" in type(inner).__name__ for inner in layers.modules())


def _alongside(parent: nn.Module, name: str, size: int) -> tuple[str, ...]:
    """The lists of ``size`` modules in ``parent``: XLM keeps the parts of its layers in four lists side by side."""
    lists = [child for child, held in parent.named_children() if isinstance(held, nn.ModuleList) and len(held) == size]
    return tuple(f"{name}.{child}" if name else child for child in lists)


def _names_before(name: str) -> set[str]:
    """What a parameter may have been called before peft wrapped its model, which adds one word or two in front, or none."""
    bare = _WRAPPED.sub("", name)
    return {bare, bare.removeprefix("base_model."), bare.removeprefix("base_model.model.")}


def _inside(name: str, depths: dict[str, int]) -> int | None:
    """The depth of the layer that holds the parameter; None where no layer does."""
    parts = name.split(".")
    return next((depths[path] for end in range(1, len(parts)) if (path := ".".join(parts[:end])) in depths), None)


def _outside(name: str, place: int, stacks: list[LayerStack], num_layers: int) -> int:
    """The depth of a parameter that is in no layer, by whether its module is defined before its stack or after."""
    if _BOTTOM.search(name):
        return 0
    if _BRIDGE.search(name):
        return stacks[0].top
    passed = [stack for stack in nearest(name, stacks) if stack.place < place]
    if not passed:
        return num_layers + 1 if _TOP.search(name) or not stacks else 0
    top = passed[-1].top
    return top if top < num_layers else num_layers + 1  # an encoder's last norm belongs to its last layer


def nearest(name: str, stacks: list[LayerStack]) -> list[LayerStack]:
    """The stacks that share the longest path of modules with the parameter: one tower, the encoder, or all."""

    def shared(stack: LayerStack) -> int:
        same = (mine == its for mine, its in zip(name.split("."), stack.parent.split("."), strict=False))
        return sum(1 for _ in takewhile(bool, same))

    longest = max(map(shared, stacks), default=0)
    return [stack for stack in stacks if shared(stack) == longest]


def _kind(name: str, owner: nn.Module, depth: int, num_layers: int) -> str:
    if "norm" in type(owner).__name__.lower():
        return "norm"
    if depth == 0:
        return "embedding"
    if depth > num_layers:
        return "head"
    if _ATTENTION.search(name):
        return "attention"
    return "mlp" if _MLP.search(name) else "other"
