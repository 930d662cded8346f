"""Whether a model can read several texts in one row as if each stood there alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem

TOLERANCE = 1e-3  # of the largest logit, in float32; number formats that are less exact get what they round to
ALONE = "pack: this model does not keep texts apart that share a row of the batch, so each has a row of its own"


def shares_rows(
    module: Any, asked: bool | None, size: int, row: Mapping[str, Tensor], texts: Sequence[Sequence[int]], ends: Sequence[int]
) -> bool:
    """Whether texts of up to ``size`` tokens share rows of a batch: as ``asked``; when not said, where the model keeps them apart.

    It is tried with a ``row``, see ``keeps_apart``. Raises ``InputError`` where it is asked for and the model does not.
    """
    apart = not 0 < window(module) < size and keeps_apart(module, row, texts, ends)
    if asked and not apart:
        problem = f"{module.config.model_type} models do not keep texts apart that share a row"
        raise InputError(Problem(problem, "Leave task.pack out, or set it to false", key="task.pack"))
    return apart and asked is not False


@torch.no_grad()
def keeps_apart(module: nn.Module, row: Mapping[str, Tensor], texts: Sequence[Sequence[int]], ends: Sequence[int]) -> bool:
    """Whether ``row``, the inputs of one row that holds some texts, gives the logits at their ``ends`` that each gives alone.

    ``ends`` are the positions behind the last of each text. It is measured, since families differ: some have positions or states of
    their own, that go on from one text to the next.
    """
    was, device = module.training, next(module.parameters()).device
    module.eval()
    try:
        together = _logits(module, {name: tensor.to(device) for name, tensor in row.items()})[torch.tensor(ends) - 1]
        alone = torch.stack([_logits(module, {"input_ids": torch.tensor([list(text)], device=device)})[-1] for text in texts])
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):  # what a family that takes no such inputs raises
        return False
    finally:
        module.train(was)
    return bool((together - alone).abs().max() <= allowed(module) * alone.abs().max())


def allowed(module: nn.Module) -> float:
    """How far logits that should be the same may differ, as a part of the largest: what the number format rounds to."""
    return max(TOLERANCE, 4 * torch.finfo(next(module.parameters()).dtype).eps)


def window(module: Any) -> int:
    """How many tokens back a position sees, 0 for all. A mask that is given from outside does not say so to a layer."""
    config = module.config.get_text_config()
    used = getattr(config, "use_sliding_window", True)
    return (getattr(config, "sliding_window", None) or 0) if used else 0


def _logits(module: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    return module(**inputs).logits[0].float()  # type: ignore[no-any-return]
