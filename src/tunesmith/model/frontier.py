"""The frontier: the lowest layer that learns. What lies below gives the same values every time, so it need not be computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.param import Param
from tunesmith.model.backbone import nearest, stacks_of


class NotCacheableError(Exception):
    """The layers of a model hand on more than hidden states, or cannot be taken apart."""


@dataclass(frozen=True)
class Tower:
    """An encoder or decoder that reads the inputs: all of a model's layers, the encoder of two stacks, or one of two towers.

    ``path``    name of the list of its layers; ``size`` how many there are
    ``lowest``  by parameter, the number of layers below the one that holds it; ``size`` for what is above all of them
    """

    path: str
    size: int
    lowest: Mapping[str, int]

    def frozen(self, learns: Callable[[str], bool]) -> int:
        """How many layers from the bottom are the same for ever, where ``learns`` says which parameters are not."""
        return max(0, min((below for name, below in self.lowest.items() if learns(name)), default=self.size))

    def parent(self, module: nn.Module) -> tuple[nn.Module, str]:
        """The module that holds the list of layers, and the list's name in it."""
        holder, _, name = self.path.rpartition(".")
        return module.get_submodule(holder), name

    def layers(self, module: nn.Module) -> nn.ModuleList:
        found = module.get_submodule(self.path)
        assert isinstance(found, nn.ModuleList)
        return found

    def reads(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The inputs that its hidden states depend on: those of a decoder are not, nor, of two towers, the other's."""
        sees = any(word in self.path for word in ("vision", "visual", "image"))
        hears = {"pixel_values", "input_features", "input_values"} & inputs.keys()
        own = {name: tensor for name, tensor in inputs.items() if not name.startswith("decoder_") and name != "labels"}
        return {name: tensor for name, tensor in own.items() if not hears or (name in hears) == sees or not {"input_ids"} & own.keys()}


def towers(module: nn.Module, params: Mapping[str, Param]) -> list[Tower]:
    """The stacks of layers that read the inputs themselves, from the first; models whose layers lie in several lists have none."""
    stacks = stacks_of(module)
    side_by_side = len(stacks) == 2 and any("logit_scale" in name for name in params)
    found = []
    for stack in stacks if side_by_side else stacks[:1]:
        own = [param for param in params.values() if stack in nearest(param.name, stacks)]
        lowest = {param.name: min(stack.size, param.depth - stack.below - 1) for param in own}
        if len(stack.lists) == 1:
            found.append(Tower(stack.lists[0], stack.size, lowest))
    return found


def train_above(module: nn.Module, tower: Tower, frozen: int) -> None:
    """Training mode, but for the lowest ``frozen`` layers and what feeds them: without dropout they give the same every time."""
    if not frozen:
        return
    layers = tower.layers(module)
    for layer in layers[:frozen]:
        layer.eval()
    tower.parent(module)[0].training = False  # BART and its like drop embeddings in the code around the layers
    inner: nn.Module = layers
    for path in _ancestors(tower.path):  # what is defined before the layers feeds them: embeddings and their dropout
        holder = module.get_submodule(path)
        for child in holder.children():
            if child is inner:
                break
            if not any(parameter.requires_grad for parameter in child.parameters()):
                child.eval()
        inner = holder


def _ancestors(path: str) -> Iterator[str]:
    """The modules around a module, from the inside."""
    while path:
        path = path.rpartition(".")[0]
        yield path


class _Kept(nn.Module):
    """Stands in the place of the lowest layers, and gives what they gave."""

    def __init__(self, hidden: Tensor, layer: nn.Module, parts: int) -> None:
        super().__init__()
        self.__dict__["layer"], self.given = layer, (hidden, *[None] * (parts - 1)) if parts else hidden

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["layer"], name)  # some families look at a layer before they call it

    def forward(self, *inputs: Any, **settings: Any) -> Any:
        return self.given


@contextmanager
def standing_in(
    module: nn.Module, tower: Tower, frozen: int, hidden: Tensor, parts: int, called: nn.Module | None = None
) -> Iterator[None]:
    """Within, the lowest ``frozen`` layers are not computed: what they give is ``hidden``, (batch, length, width).

    ``parts`` is the length of the tuple that a layer of this family gives, or 0 where it gives a tensor. ``called`` is the part of
    ``module`` that will be called, one of several that share the layers: where it has them, they are taken out.
    """
    layers = tower.layers(module)
    places = [tower.parent(module)] if called is None or called is module else list(_holders(called, layers))
    kept = nn.ModuleList([_Kept(hidden, layers[frozen - 1], parts), *layers[frozen:]])
    for parent, name in places:
        parent._modules[name] = kept
    try:
        yield
    finally:
        for parent, name in places:
            parent._modules[name] = layers


def _holders(module: nn.Module, layers: nn.ModuleList) -> Iterator[tuple[nn.Module, str]]:
    """The modules that hold a list of layers, and its name in them."""
    return ((part, name) for part in module.modules() for name, child in part._modules.items() if child is layers)


class _ReachedError(Exception):
    pass


@torch.no_grad()
def lower(module: nn.Module, tower: Tower, frozen: int, call: Callable[[], Any]) -> tuple[Tensor, int]:
    """What the lowest ``frozen`` layers give when ``call`` calls the model, and the length of the tuple it is in, 0 for none.

    The layers above are not computed. Raises ``NotCacheableError`` where layers hand on more than hidden states.
    """
    caught: list[Any] = []

    def catch(layer: nn.Module, inputs: Any, output: Any) -> None:
        caught.append(output)
        raise _ReachedError

    hook = tower.layers(module)[frozen - 1].register_forward_hook(catch)
    try:
        call()
    except _ReachedError:
        pass
    finally:
        hook.remove()
    output = caught[0] if caught else None
    alone = output[0] if isinstance(output, Sequence) and all(extra is None for extra in output[1:]) else output
    if not isinstance(alone, Tensor) or alone.dim() != 3:
        raise NotCacheableError("its layers hand on more than hidden states")
    return alone, len(output) if isinstance(output, Sequence) else 0
