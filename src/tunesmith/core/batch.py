"""A batch: what a model is given, what it is compared with, and which rows it came from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor


@dataclass
class Batch:
    """Rows that go through the model together.

    ``inputs``   the keywords of the model's ``forward``; text: ``input_ids`` (batch, length), ``attention_mask`` (batch, length)
    ``targets``  what the objective compares with; classification: ``labels`` (batch,)
    ``rows``     (batch,) int64, the index of every row in its data set, for messages and for order-free predictions
    ``tokens``   real tokens (or patches, or frames): padding is not counted
    ``notes``    what strategies attach for each other, weights per row for example; never read by the engine
    ``micro``    its number among the micro-batches of a step, over all ranks; None for rows that are in no step
    ``idle``     whether it is computed for the sake of other ranks, which need this one in every pass, and counts nothing
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    rows: Tensor
    tokens: int
    notes: dict[str, Any] = field(default_factory=dict)
    micro: int | None = None
    idle: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def positions(self) -> int:
        """What the model computes: the elements of its main input, padding among them."""
        main = self.inputs.get("input_ids")
        return self.tokens if main is None else main.numel()

    def to(self, device: torch.device) -> Batch:
        """The batch on ``device``; to a GPU it is copied from pinned memory, and nothing waits for it."""
        if device.type == "cpu":
            return self

        def moved(tensor: Tensor) -> Tensor:
            pinned = tensor.pin_memory() if device.type == "cuda" and tensor.device.type == "cpu" else tensor
            return pinned.to(device, non_blocking=True)

        def move(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: moved(tensor) for name, tensor in tensors.items()}

        return replace(self, inputs=move(self.inputs), targets=move(self.targets))
