"""Bottleneck adapters: small modules behind or beside the sublayers of a model, put on by hooks, so that none of its own names change.

They cannot be folded into the weights, since they are not linear. ``model.safetensors`` holds the model as any library loads it, and
two files beside it hold the bottlenecks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.model.backbone import stacks_of

NAME = "bottleneck"  # under which one hangs below the linear layer that it acts on
ABOUT, WEIGHTS = "bottlenecks.json", "bottlenecks.safetensors"
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.nn.functional.relu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
}


@dataclass(frozen=True)
class Placement:
    """Which bottlenecks a model has.

    ``sublayers``   behind which: attention, mlp, or both
    ``parallel``    whether they read what goes into the sublayer, and not what comes out of it
    ``size``        width of the bottleneck; ``scale`` what its output is multiplied with
    ``skip``        how many layers from the bottom have none
    """

    sublayers: tuple[str, ...]
    parallel: bool
    size: int
    activation: str
    scale: float
    skip: int = 0


@dataclass(frozen=True)
class Sublayer:
    """Attention or feed-forward part of a layer: the names of the linear layers that read its input and give its output."""

    kind: str
    depth: int
    first: str
    last: str


class Bottleneck(nn.Module):
    """x + scale * U f(D x + d) + u, D (size, width), U (width, size) starting at 0: at first it changes nothing."""

    def __init__(self, width: int, placement: Placement) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, placement.size), nn.Linear(placement.size, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        self.placement = placement
        self.read: Tensor | None = None  # what went into the sublayer, until its output is there

    def forward(self, output: Tensor) -> Tensor:
        """What comes out of the sublayer, (..., width), changed."""
        read, self.read = (self.read if self.placement.parallel else output), None
        assert read is not None
        inner = ACTIVATIONS[self.placement.activation](self.down(read))
        changed: Tensor = output + self.placement.scale * self.up(inner)
        return changed


class _Reader:
    """Hands what goes into a sublayer to the bottleneck beside it. An object, so that a copied model has a copied one."""

    def __init__(self, bottleneck: Bottleneck) -> None:
        self.bottleneck = bottleneck

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.bottleneck.read = inputs[0]


def _changed(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    bottleneck = module._modules.get(NAME)
    changed: Tensor = output if bottleneck is None else bottleneck(output)
    return changed


def put_on(module: nn.Module, placement: Placement) -> list[str]:
    """Give ``module`` bottlenecks, drawn from torch's global random numbers; returns the names of the linear layers that have one.

    Raises ``InputError`` where a sublayer is not made of linear layers, or has a bottleneck already.
    """
    if bottlenecks(module):
        raise InputError(Problem("the model has bottleneck adapters already", "Name its base, or tune it without adapter"))
    found = [part for part in sublayers(module) if part.kind in placement.sublayers]
    if lacking := sorted(set(placement.sublayers) - {part.kind for part in found}):
        message = f"no linear layer gives the output of {' and '.join(lacking)} in {type(module).__name__}"
        raise InputError(Problem(message, "Choose a kind that does not need it, or lora"))
    found = [part for part in found if part.depth > placement.skip]
    if not found:
        raise InputError(Problem(f"no layer is left above the {placement.skip} without a bottleneck", "Lower skip"))
    for part in found:
        last = module.get_submodule(part.last)
        bottleneck = Bottleneck(width_of(last), placement).to(next(last.parameters()))
        last.add_module(NAME, bottleneck)
        last.register_forward_hook(_changed)
        if placement.parallel:
            module.get_submodule(part.first).register_forward_pre_hook(_Reader(bottleneck))
    return [part.last for part in found]


def sublayers(module: nn.Module) -> list[Sublayer]:
    """Every attention and feed-forward part of every layer, from the bottom up, as far as their outputs come from linear layers."""
    found = []
    for stack in stacks_of(module):
        layers = [(place + 1, f"{name}.{place}") for name in stack.lists for place in range(stack.size)]
        for place, name in sorted(layers, key=lambda layer: layer[0]):
            for kind, linear in parts_of(module.get_submodule(name)):
                found.append(Sublayer(kind, stack.below + place, f"{name}.{linear[0]}", f"{name}.{linear[-1]}"))
    return found


def parts_of(layer: nn.Module) -> list[tuple[str, list[str]]]:
    """The linear layers of each attention of a layer, and of its feed-forward part: kind and names, in order of definition."""
    outer: list[str] = []
    for name, part in layer.named_modules():
        if name and "Attention" in type(part).__name__ and not name.startswith(tuple(f"{other}." for other in outer)):
            outer.append(name)
    linear = [name for name, part in layer.named_modules() if is_linear(part)]
    inside = {name: [one for one in linear if one.startswith(f"{name}.")] for name in outer}
    rest = [name for name in linear if not name.startswith(tuple(f"{other}." for other in outer))]
    widths = {width_of(layer.get_submodule(names[-1])) for names in inside.values() if names}
    ends = [place for place, name in enumerate(rest) if not widths or width_of(layer.get_submodule(name)) in widths]
    mlp = [("mlp", rest[: ends[-1] + 1])] if len(rest) > 1 and ends else []
    return [("attention", names) for names in inside.values() if names] + mlp


def is_linear(part: nn.Module) -> bool:
    """Whether a module is a matrix product, GPT-2's own kind among them."""
    from transformers.pytorch_utils import Conv1D

    return isinstance(part, nn.Linear | Conv1D)


def width_of(linear: nn.Module) -> int:
    """How many values a linear layer gives."""
    return int(linear.out_features if isinstance(linear, nn.Linear) else linear.nf)  # type: ignore[arg-type]


def bottlenecks(module: nn.Module) -> dict[str, Bottleneck]:
    """All bottlenecks of a model by name."""
    return {name: part for name, part in module.named_modules() if isinstance(part, Bottleneck)}


@contextmanager
def without(module: nn.Module) -> Iterator[None]:
    """Within, the model is what it is without bottlenecks: in what it computes, and in what it is made of."""
    held = {name.rpartition(".")[0]: part for name, part in bottlenecks(module).items()}
    for host in held:
        del module.get_submodule(host)._modules[NAME]
    try:
        yield
    finally:
        for host, part in held.items():
            module.get_submodule(host)._modules[NAME] = part


def write(module: nn.Module, folder: Path) -> None:
    """Write the bottlenecks of a model, where it has any, beside its weights."""
    found = bottlenecks(module)
    if not found:
        return
    about = {"placement": asdict(next(iter(found.values())).placement), "loads": "tunesmith.load; other libraries leave bottlenecks out"}
    (folder / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
    tensors = {f"{name}.{inner}": w.detach().cpu().contiguous() for name, part in found.items() for inner, w in part.named_parameters()}
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def read(module: nn.Module, folder: Path) -> None:
    """Put the bottlenecks that ``write`` wrote into ``folder``, where there are any, on its model. Raises ``InputError`` for others."""
    if not (folder / ABOUT).exists():
        return
    try:
        told = json.loads((folder / ABOUT).read_text(encoding="utf-8"))["placement"]
        put_on(module, Placement(**told | {"sublayers": tuple(told["sublayers"])}))
        names = [f"{name}.{inner}" for name, part in bottlenecks(module).items() for inner, _ in part.named_parameters()]
        with safe_open(folder / WEIGHTS, "pt") as file, torch.no_grad():
            for name in names:
                module.get_parameter(name).copy_(file.get_tensor(name))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise InputError(Problem(f"the bottleneck adapters cannot be read ({error})", "Copy the folder again", str(folder))) from error
