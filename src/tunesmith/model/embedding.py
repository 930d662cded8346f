"""Token embeddings for CPUs: only the rows of tokens that the training data hold are learned, and their gradient is added up in place.

A vocabulary has tens or hundreds of thousands of tokens, a data set a few thousand. The other rows get no gradient; without care they
still cost a table of zeros, a pass of the optimizer and two numbers of its state, for each weight in each step.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tunesmith.model.tokenizer import token_embedding

LARGE = 1_000_000  # weights from which a table is worth it


class Embedding(nn.Embedding):
    """``nn.Embedding`` whose parameter is, within a run, the part of its table that learns: the rows ``used``, in their order.

    The gradient is only ever in ``weight.grad``: ``torch.autograd.grad`` with respect to ``weight`` does not see it.
    """

    used: Tensor

    def use(self, used: Tensor) -> None:
        """Let the rows ``used``, (tokens,) int64, learn, and the others stay as they are."""
        table = self.weight.data
        place = torch.full((len(table),), -1)
        place[used] = torch.arange(len(used))
        self.__dict__.update(used=used, table=table, place=place)  # no buffers: they are part of no checkpoint
        self.weight.data = table[used]

    def whole(self) -> None:
        """Put the rows that learned back into the table, which is the parameter again."""
        if (table := self.__dict__.pop("table", None)) is not None:
            table[self.used] = self.weight.data
            self.weight.grad, self.weight.data = None, table

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name is torch's)
        table = self.__dict__.get("table")
        if table is None:
            return self._rows(input, self.padding_idx)
        place = self.__dict__["place"][input]
        padding = None if self.padding_idx is None else int(self.__dict__["place"][self.padding_idx])
        known = place >= 0
        if known.all():
            return self._rows(place, padding)
        learned = self._rows(place.clamp_min(0), None if padding == -1 else padding)
        return torch.where(known[..., None], learned, F.embedding(input, table))

    def _rows(self, ids: Tensor, padding: int | None) -> Tensor:
        if torch.is_grad_enabled() and self.weight.requires_grad:
            return _Rows.apply(self.weight, ids, padding)  # type: ignore[no-untyped-call, no-any-return]
        return F.embedding(ids, self.weight)


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: nn.Parameter, ids: Tensor, padding: int | None) -> Tensor:
        ctx.weight, ctx.padding = weight, padding
        ctx.save_for_backward(ids)
        return F.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None]:
        (ids,) = ctx.saved_tensors
        weight, rows = ctx.weight, gradients[0].reshape(-1, gradients[0].shape[-1])
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        if ctx.padding is not None:
            rows = rows * (ids.reshape(-1, 1) != ctx.padding)
        weight.grad.index_add_(0, ids.reshape(-1), rows.to(weight.dtype))
        return None, None, None


def learn_rows(module: nn.Module, names: Container[str], used: Tensor) -> Embedding | None:
    """Let only the rows ``used`` of the token embeddings learn, where ``names`` are the parameters that learn; the table, if it is large.

    A table that is a matrix of outputs too has a gradient in every row: all of it learns.
    """
    path, size = token_embedding(module)
    part = module.get_submodule(path)
    if type(part) is not nn.Embedding or part.weight.numel() < LARGE or f"{path}.weight" not in names or _special(part):
        return None
    part.__class__ = Embedding
    assert isinstance(part, Embedding)
    owners = sum(weight is part.weight for owner in module.modules() for weight in owner._parameters.values())
    if owners == 1 and 0 < len(used) < size and int(used[-1]) < size:
        part.use(used)
    return part


def _special(part: nn.Embedding) -> bool:
    return part.sparse or part.scale_grad_by_freq or part.max_norm is not None


def to_table(module: nn.Module, name: str, values: Tensor, own: bool = False) -> Tensor:
    """``values`` in the shape of the parameter ``name``, as those of its whole table.

    Rows that do not learn in this run are zero, or with ``own`` those of the table.
    """
    owner = module.get_submodule(name.rpartition(".")[0])
    if not isinstance(owner, Embedding) or "table" not in owner.__dict__:
        return values
    table = owner.__dict__["table"]
    whole = table.clone() if own else torch.zeros_like(table)
    whole[owner.used] = values.to(whole.dtype)
    return whole


def of_table(module: nn.Module, name: str, whole: Tensor) -> Tensor:
    """Of ``whole``, in the shape of a whole table, the part that the parameter ``name`` holds in this run; else all of it."""
    owner = module.get_submodule(name.rpartition(".")[0])
    return whole[owner.used] if isinstance(owner, Embedding) and "table" in owner.__dict__ else whole
