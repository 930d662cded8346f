"""The body of a model, all below its head, computed once for several heads or several passes of one head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


def whole(module: nn.Module) -> Any:
    """The model of transformers itself, which peft may have wrapped."""
    return getattr(module, "get_base_model", lambda: module)()


def body(module: nn.Module) -> nn.Module | None:
    """The model below its head; None where it has no head, or is none of transformers."""
    model = whole(module)
    inner = getattr(model, "base_model", model)
    return inner if inner is not model and isinstance(inner, nn.Module) else None


@contextmanager
def recorded(inner: nn.Module) -> Iterator[list[Any]]:
    """Within, what each call of ``inner`` gives is added to the list."""
    outputs: list[Any] = []
    hook = inner.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    try:
        yield outputs
    finally:
        hook.remove()


@contextmanager
def cut(inner: nn.Module) -> Iterator[list[Any]]:
    """Within, what each call of ``inner`` gives is added to the list, and goes on to the head without its gradient."""
    outputs: list[Any] = []

    def apart(module: nn.Module, inputs: Any, output: Any) -> Any:
        outputs.append(output)
        return type(output)(**{name: part.detach() if isinstance(part, Tensor) else part for name, part in output.items()})

    hook = inner.register_forward_hook(apart)
    try:
        yield outputs
    finally:
        hook.remove()


@contextmanager
def replayed(inner: nn.Module, outputs: Sequence[Any]) -> Iterator[None]:
    """Within, ``inner`` is not computed: its calls give ``outputs``, one after the other."""
    left = iter(outputs)
    before = vars(inner).get("forward")
    vars(inner)["forward"] = lambda *inputs, **settings: next(left)
    try:
        yield
    finally:
        vars(inner).pop("forward")
        vars(inner).update({} if before is None else {"forward": before})
