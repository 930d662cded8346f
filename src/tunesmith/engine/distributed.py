"""Many processes as one: rank, world, sums over ranks, and starting and leaving the group that torchrun made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

BUCKET = 32 * 1024 * 1024  # elements reduced in one call


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def first() -> bool:
    """Whether this process is the one that writes."""
    return rank() == 0


@contextmanager
def group() -> Iterator[None]:
    """Join the processes that torchrun started (gloo on CPU, NCCL on GPUs); alone, nothing is joined."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=timedelta(hours=1))
    try:
        yield
    finally:
        dist.destroy_process_group()


def barrier() -> None:
    """Wait for every rank."""
    if dist.is_initialized():
        dist.barrier()


def total(value: float) -> float:
    """The sum of ``value`` over ranks."""
    if world() == 1:
        return value
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    tensor = torch.tensor(value, dtype=torch.float64, device=device)
    dist.all_reduce(tensor)
    return float(tensor)


def any_rank(flag: bool) -> bool:
    """Whether the flag is set on any rank: a signal may reach one process only."""
    return total(float(flag)) > 0


def union(names: Iterable[str]) -> list[str]:
    """The names that any rank has, in order."""
    found: list[list[str]] = [[] for _ in range(world())]
    if dist.is_initialized():
        dist.all_gather_object(found, list(names))
    return sorted({name for of_rank in found for name in of_rank} | set(names))


def add_over_ranks(tensors: Sequence[Tensor]) -> None:
    """Sum tensors of one type and device over ranks, in place, a bucket at a time."""
    if world() == 1:
        return
    bucket: list[Tensor] = []
    for position, tensor in enumerate(tensors):
        bucket.append(tensor)
        if sum(t.numel() for t in bucket) >= BUCKET or position == len(tensors) - 1:
            flat = _flatten_dense_tensors(bucket)  # type: ignore[no-untyped-call]
            dist.all_reduce(flat)
            for target, summed in zip(bucket, _unflatten_dense_tensors(flat, bucket), strict=True):  # type: ignore[no-untyped-call]
                target.copy_(summed)
            bucket = []
