"""The forward pass of a model: where it runs, and in which number format."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tunesmith.core.batch import Batch

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Forward:
    """Calls ``module`` with the inputs of a batch, on ``device``, its matrix products in ``dtype``.

    A task whose answer is not one pass, generated text above all, takes ``module`` and works inside ``precision()``.
    """

    module: nn.Module
    device: torch.device = CPU
    dtype: torch.dtype = torch.float32

    def __call__(self, batch: Batch) -> Any:
        with self.precision():
            return self.module(**batch.to(self.device).inputs)

    @property
    def sharded(self) -> bool:
        """Whether each process holds a part of the weights, so that every pass needs all of them. torch leaves the mark."""
        return bool(getattr(self.module, "_is_fsdp_managed_module", False))

    def precision(self) -> AbstractContextManager[Any]:
        """The context in which the module computes: autocast to ``dtype``, nothing for float32."""
        return nullcontext() if self.dtype == torch.float32 else torch.autocast(self.device.type, self.dtype)
