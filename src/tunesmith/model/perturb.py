"""Input embeddings under change: noise, or the steps of an adversary, added to what they put out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem

TINY = 1e-12  # a gradient of zero has no direction

Change = Callable[[Tensor, Tensor], Tensor]


def input_embeddings(module: nn.Module) -> list[nn.Module]:
    """The modules that turn inputs into vectors: of tokens in encoder and decoder, of patches, of both towers of a pair."""
    found: dict[int, nn.Module] = {}
    for part in module.modules():
        try:
            embedding = part.get_input_embeddings()  # type: ignore[operator]
        except (AttributeError, NotImplementedError):  # a plain module, or a model of several towers
            continue
        if isinstance(embedding, nn.Module):
            found[id(embedding)] = embedding
    return list(found.values())


def check_embeddings(module: nn.Module, strategy: str) -> None:
    """Raise ``InputError`` where there is nothing that ``changing`` could change."""
    if not input_embeddings(module):
        raise InputError(Problem(f"{strategy}: the model has no input embeddings", f"Take {strategy} out of strategies"))


@contextmanager
def changing(module: nn.Module, change: Change) -> Iterator[None]:
    """Within, input embeddings put out what ``change`` makes of their output and of which elements are real.

    The first is (batch, length, width) for text, the second 1 or 0 in a shape that goes with it: padding, told by its id, is 0.
    """
    padding = getattr(getattr(module, "config", None), "pad_token_id", None)
    with ExitStack() as entered:
        for embedding in input_embeddings(module):
            entered.callback(embedding.register_forward_hook(partial(_changed, change, padding)).remove)
        yield


def _changed(change: Change, padding: int | None, embedding: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    ids = inputs[0] if inputs else None
    if padding is None or ids is None or ids.is_floating_point():
        return change(output, output.new_ones(len(output), *[1] * (output.dim() - 1)))
    return change(output, (ids != padding).to(output.dtype)[..., None])


@dataclass
class Perturbation:
    """What an adversary adds to the input embeddings, call after call of the same loss, each being a leaf with a gradient.

    ``start`` makes the first of what an embedding put out and which elements of it are real, in the shape of the former.
    """

    start: Change
    added: list[Tensor] = field(default_factory=list)

    @contextmanager
    def on(self, module: nn.Module) -> Iterator[None]:
        """Within, it is added to what the input embeddings of the module put out."""
        calls = count()

        def change(embedded: Tensor, real: Tensor) -> Tensor:
            call = next(calls)
            if call == len(self.added):
                self.added.append(self.start(embedded.detach(), real).requires_grad_())
            return embedded + self.added[call]

        with changing(module, change):
            yield

    def move(self, step: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Take a step from each of ``added`` and its gradient, which is forgotten then; what had no gradient stays."""
        self.added = [
            (old if old.grad is None else step(old.detach(), old.grad)).detach().requires_grad_() for old in self.added
        ]  # fmt: skip


def zeros(embedded: Tensor, real: Tensor) -> Tensor:
    """No perturbation."""
    return torch.zeros_like(embedded)


def uniform(embedded: Tensor, real: Tensor, radius: float, generator: torch.Generator | None = None) -> Tensor:
    """Uniform noise on what is real whose norm is about ``radius`` / sqrt(3) for each item, whatever its length.

    It is drawn on the device, or by a ``generator`` of the CPU where torch's global random numbers must not move on.
    """
    place = embedded.device if generator is None else generator.device
    noise = torch.empty(embedded.shape, device=place).uniform_(-1, 1, generator=generator).to(embedded) * real
    return noise * radius / norms(real.expand_as(embedded)).clamp_min(1)  # the norm of ones is the square root of their number


def direction(gradient: Tensor) -> Tensor:
    """The gradient of each item divided by its Euclidean norm; 0 stays 0."""
    return gradient / (norms(gradient) + TINY)


def norms(values: Tensor) -> Tensor:
    """The Euclidean norm of each item, in a shape that goes with ``values``."""
    squares: Tensor = values.square().sum(dim=list(range(1, values.dim())), keepdim=True)
    return squares.sqrt()


def within(values: Tensor, radius: float) -> Tensor:
    """The nearest values whose Euclidean norm is at most ``radius`` for each item."""
    return values * (radius / (norms(values) + TINY)).clamp_max(1.0)
