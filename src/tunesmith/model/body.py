"""The body of a model, all below its head, computed once for several heads or several passes of one head."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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


def mean_state(inner: nn.Module, states: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
    """The mean of a body's states (batch, length, hidden) over real positions: (batch, hidden) in float32.

    ``inputs`` are the keywords that the body was given. The mask of a recording is one of its samples, many to a position.
    """
    states, mask = states.float(), inputs.get("attention_mask")
    if mask is not None and mask.dim() == 2 and mask.shape != states.shape[:2]:
        of_positions = getattr(inner, "_get_feature_vector_attention_mask", None)
        mask = None if of_positions is None else of_positions(states.shape[1], mask)
    if mask is None or mask.shape != states.shape[:2]:
        return states.flatten(1, -2).mean(dim=1)
    real = mask[..., None].to(states)
    return (states * real).sum(dim=1) / real.sum(dim=1)


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
    with computing(inner, lambda *inputs, **settings: next(left)):
        yield


@contextmanager
def computing(inner: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Within, calls of ``inner`` are those of ``forward``."""
    before = vars(inner).get("forward")
    vars(inner)["forward"] = forward
    try:
        yield
    finally:
        vars(inner).pop("forward")
        vars(inner).update({} if before is None else {"forward": before})
