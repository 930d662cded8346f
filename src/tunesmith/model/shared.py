"""Several models of transformers with one set of layers: what is in all of them is there once, and each keeps its head."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.model.body import computing, whole

_OWN = re.compile(r"\bheads\.\d+\.")


def model_of(parameter: str) -> str:
    """The part of a parameter's name that says which model of a ``SharedTrunk`` it is of, ``heads.1.``; nothing where all share it."""
    found = _OWN.search(parameter)
    return found.group() if found else ""


class SharedTrunk(nn.Module):
    """Models by name that share their layers; made by ``share``.

    ``trunk``  the first model below its head; ``heads`` the models themselves, each of which can be called, saved and asked alone

    The names of parameters begin with ``trunk``, or with the number of the model that they are of: ``heads.1.classifier.weight``. A
    name that a user chose does not stand in them, since names tell the depth.
    """

    def __init__(self, models: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.numbers = {name: str(number) for number, name in enumerate(models)}
        first: Any = next(iter(models.values()))
        self.trunk = first.base_model
        self.heads = nn.ModuleDict({self.numbers[name]: model for name, model in models.items()})
        self.config, self.name_or_path, self.base_model_prefix = first.config, first.name_or_path, "trunk"

    def head(self, name: str) -> nn.Module:
        """The whole model of a task."""
        return self.heads[self.numbers[name]]

    @property
    def base_model(self) -> nn.Module:
        return self.trunk  # type: ignore[no-any-return]

    def forward(self, **inputs: Any) -> Any:
        return self.trunk(**inputs)

    @contextmanager
    def once(self) -> Iterator[None]:
        """Within, the layers are computed for the head that is asked first, and every other one reads what they gave."""
        given: list[Any] = []

        def kept(compute: Callable[..., Any]) -> Callable[..., Any]:
            def forward(*inputs: Any, **settings: Any) -> Any:
                given.extend([] if given else [compute(*inputs, **settings)])
                return given[0]

            return forward

        bodies: Any = {id(model.base_model): model.base_model for model in self.heads.children()}
        with ExitStack() as stack:
            for body in bodies.values():
                stack.enter_context(computing(body, kept(body.forward)))
            yield

    def lacking(self, name: str, of: str) -> list[str]:
        """What the model ``of`` has below its head, with weights, and the model ``name`` has not: a pooler, as a rule."""
        own, other = (_parts(self.head(task).base_model) for task in (name, of))  # type: ignore[arg-type]
        return [part for part in other if _weights(other[part]) and part not in own]

    def get_input_embeddings(self) -> nn.Module:
        return self.trunk.get_input_embeddings()  # type: ignore[no-any-return]

    def get_output_embeddings(self) -> None:
        """The trunk writes nothing itself."""

    def set_attn_implementation(self, name: str) -> None:
        """Let every model compute attention in the same way: their layers are the same."""
        for model in self.heads.children():
            model.set_attn_implementation(name)  # type: ignore[operator]


def share(models: Mapping[str, nn.Module]) -> SharedTrunk:
    """Models from one source as one: the parts of the same name below their heads become the same objects, those of the first.

    A matrix that a head shares with its embeddings goes on sharing them. One object under several names stays one: a model that writes
    has no head of a task's own. Raises ``InputError`` where two models have no part in common.
    """
    parts: dict[str, nn.Module | Tensor] = {}
    for name, model in models.items():
        base: Any = model.base_model
        if parts and not _take(base, model, parts):
            others = ", ".join(other for other in models if other != name)
            raise InputError(Problem(f"task {name}: its model shares no layer with that of {others}", "Train it in a run of its own"))
        parts = {**_parts(base), **parts}
    return SharedTrunk(models)


def _take(base: nn.Module, model: nn.Module, parts: Mapping[str, nn.Module | Tensor]) -> int:
    """Put ``parts`` in the place of those that ``base`` calls by the same names; returns in how many there are weights."""
    instead: dict[int, Tensor] = {}
    taken = 0
    for name, part in _parts(base).items():
        other = parts.get(name)
        if other is None or not _alike(part, other):
            continue
        setattr(base, name, other)
        pairs = {id(weight): _weights(other)[path] for path, weight in _weights(part).items()}
        instead |= pairs
        taken += bool(pairs)
    for module in model.modules():  # a matrix that was tied to one of those
        for path, weight in module._parameters.items():
            if weight is not None and id(weight) in instead:
                module._parameters[path] = instead[id(weight)]  # type: ignore[assignment]
    return taken


def _parts(base: nn.Module) -> dict[str, nn.Module | Tensor]:
    """What a model below its head is made of, by name."""
    return {**dict(base.named_children()), **dict(base.named_parameters(recurse=False))}


def _alike(one: nn.Module | Tensor, other: nn.Module | Tensor) -> bool:
    """Whether two parts are the same kind of thing, in the same shapes."""
    shapes = [{path: weight.shape for path, weight in _weights(part).items()} for part in (one, other)]
    return type(one) is type(other) and shapes[0] == shapes[1]


def _weights(part: nn.Module | Tensor) -> dict[str, Tensor]:
    return {"": part} if isinstance(part, Tensor) else dict(part.named_parameters(remove_duplicate=False))


def shared_parameters(module: nn.Module) -> frozenset[str]:
    """The names, as ``named_parameters`` gives them, of the parameters that more than one task has, an adapter's among them."""
    owners: dict[int, int] = {}
    for model in whole(module).heads.values():
        for parameter in model.parameters():
            owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    return frozenset(name for name, parameter in module.named_parameters() if owners.get(id(parameter), 0) > 1)


@torch.no_grad()
def lean(module: nn.Module, trunk: nn.Module) -> None:
    """Let the weights of a model that are equal to those of ``trunk`` be the same memory.

    The model may be one of peft around a copy of ``trunk``. It is used as it is from then on: a step would change both.
    """
    known = dict(trunk.named_parameters())
    for name, weight in module.named_parameters():
        below = known.get(name.removeprefix("base_model.model.").replace(".base_layer.", "."))
        if below is not None and below.shape == weight.shape and below.dtype == weight.dtype and torch.equal(below, weight):
            weight.data = below.data
