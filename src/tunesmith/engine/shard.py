"""Weights, gradients and optimizer state shared out: each process holds a part of every tensor, and a layer is whole while it computes.

torch's ``fully_shard`` gathers a layer's weights before it runs, adds its gradients over ranks after it has, and keeps the rank's part.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.engine import distributed
from tunesmith.engine.settings import Training
from tunesmith.engine.stack import Stack
from tunesmith.model.backbone import layers

# Numbers that an optimizer keeps for each weight that learns. Only where these have the weight's own shape can a part of them be held.
KEPT = {"adamw": 2, "adamw_8bit": 0.5, "sgd": 1, "adafactor": 0}
OF_THE_SHAPE = ("adamw", "sgd")
ROOM = 0.7  # of a GPU's memory that weights, gradients and optimizer state may take; the rest is for what layers compute

T = TypeVar("T")


class Root(nn.Module):
    """The model as what is called from outside, whether its weights are shared out or not.

    Tasks also call parts of a model, and read its weights: an output matrix above all. So the outermost module for ``fully_shard`` is
    not the model but the call: within it, all that lies in no layer is gathered.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._inside = False

    def within(self, call: Callable[[], T]) -> T:
        """What ``call`` returns, computed with whole weights; each rank has to come here equally often. A call within a call is plain."""
        if self._inside:
            return call()
        made: list[T] = []

        def noted() -> Any:
            made.append(call())
            return made[0].sum if isinstance(made[0], Loss) else made[0]  # where the backward pass begins

        self._inside = True
        try:
            self(noted)
        finally:
            self._inside = False
        return made[0]

    def forward(self, call: Callable[[], Any]) -> Any:
        return call()

    def share_out(self, run: Run) -> None:
        """Let each rank keep its part of every parameter, and take all of it to ``run.device``: layer by layer, and the rest as one."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        memo: dict[int, Any] = {id(p): nn.Parameter(p.to("meta"), p.requires_grad) for p in self.model.parameters()}
        self.__dict__["_plain"] = copy.deepcopy(self.model, memo)  # no part of this module, and without weights
        mesh = init_device_mesh(run.device.type, (distributed.world(),))
        for part in (*layers(self.model), self):
            group = fully_shard(part, mesh=mesh, reshard_after_forward=True)
            group.set_force_sum_reduction_for_comms(True)  # a sum over ranks, as a loss is; the loop divides it by the count of all
            group.set_gradient_divide_factor(1.0)
            group.set_reduce_scatter_unused_params(True)  # of several tasks, ranks may have the rows of different ones
        run.forward = SharedForward(run.model, run.device, run.forward.dtype, self)

    @torch.no_grad()
    def whole(self, run: Run) -> nn.Module:
        """The model with whole weights on every rank, which is the run's from now on.

        It is on the processor where a GPU has no room for two: the tuned model is judged beside its base.
        """
        if not run.forward.sharded:
            return run.model
        plain: nn.Module = self.__dict__.pop("_plain")
        where = run.device if 2 * weight_bytes(run.model) < memory(run.device) else torch.device("cpu")
        named = dict(run.model.named_parameters())
        instead = {id(p): nn.Parameter(full(named[name]).to(where), p.requires_grad) for name, p in plain.named_parameters()}
        buffers = dict(run.model.named_buffers(remove_duplicate=False))
        for name, part in plain.named_modules():
            owned = f"{name}." if name else ""
            part._parameters.update({key: instead[id(p)] for key, p in part._parameters.items() if p is not None})
            part._buffers.update({key: buffers[owned + key].to(where) for key in part._buffers if owned + key in buffers})
        run.model, run.device = plain, where
        run.forward = Forward(plain, where, run.forward.dtype)
        return plain


@dataclass(frozen=True)
class SharedForward(Forward):
    """A forward pass of a model whose weights are shared out."""

    root: Root | None = None

    def __call__(self, batch: Batch) -> Any:
        assert self.root is not None
        return self.root.within(lambda: super(SharedForward, self).__call__(batch))


def wanted(training: Training, run: Run, stack: Stack) -> bool:
    """Whether weights are to be shared out. ``auto`` does so where one GPU would not hold them with gradients and optimizer state.

    Raises ``InputError`` where ``always`` cannot be, with every reason.
    """
    problems = hindrances(training, run, stack)
    if training.shard == "always" and problems:
        raise InputError(*problems)
    if training.shard == "always":
        run.say(f"shard: each of {distributed.world()} processes holds a part of every weight; no trunk is kept")
        return True
    if training.shard == "never" or run.device.type != "cuda" or distributed.world() == 1:
        return False
    need, there = held_bytes(run, stack.learning(run), training.optimizer), memory(run.device)
    if not distributed.any_rank(need > ROOM * there):
        return False
    told = f"shard: weights, gradients and optimizer state take {need / 1e9:,.1f} GB, too much beside the rest in {there / 1e9:,.1f} GB"
    reasons = f", but cannot be shared out: {problems[0]}" if problems else f"; {distributed.world()} processes share them out"
    run.say(told + reasons)
    return not problems


def hindrances(training: Training, run: Run, stack: Stack) -> list[Problem]:
    """Why the weights of a run cannot be shared out."""
    found = []
    if distributed.world() == 1:
        remedy = "Start it with torchrun --nproc-per-node NUMBER -m tunesmith train ..., or leave it out"
        found.append(Problem("There is one process, and nothing to share out to", remedy, key="training.shard"))
    remedy = "Take it out of strategies, or write training.shard: never"
    found += [Problem(f"'{name}' needs whole weights or gradients", remedy) for name in stack.unshardable]
    if training.optimizer not in OF_THE_SHAPE:
        remedy = f"Write {' or '.join(OF_THE_SHAPE)}"
        found.append(Problem(f"{training.optimizer} keeps numbers that cannot be shared out", remedy, key="training.optimizer"))
    if single := next((param.name for param in run.params.values() if not param.shape), None):
        found.append(Problem(f"The model has a weight that is a single number ({single})", "Write training.shard: never"))
    return found


def held_bytes(run: Run, names: set[str], optimizer: str) -> float:
    """Bytes of weights, and of the gradients and optimizer state of those named ``names``."""
    learning = sum(run.params[name].size for name in names)
    return weight_bytes(run.model) + 4 * learning * (1 + KEPT[optimizer])


def weight_bytes(module: nn.Module) -> int:
    """Bytes of all parameters, over all ranks."""
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())


def memory(device: torch.device) -> float:
    """Bytes of memory that a device has; without limit for a processor."""
    return float(torch.cuda.mem_get_info(device)[1]) if device.type == "cuda" else float("inf")


def full(tensor: Tensor) -> Tensor:
    """A whole tensor, for which every rank has to ask."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gathered(tree: Any) -> Any:
    """A snapshot with whole tensors, on the processor of the first rank; all others get None for each tensor. Every rank has to ask."""
    if isinstance(tree, Tensor):
        whole = full(tree)
        return whole.cpu() if distributed.first() else None
    if isinstance(tree, dict):
        return {key: gathered(value) for key, value in tree.items()}
    return [gathered(value) for value in tree] if isinstance(tree, list | tuple) else tree


def shared_out(tree: Any, parameters: Mapping[str, Tensor], device: torch.device, of: Tensor | None = None) -> Any:
    """A snapshot of whole tensors as a rank holds it: what has a parameter's name and shape is shared out as that one is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(tree, dict):
        return {key: shared_out(value, parameters, device, parameters.get(key, of)) for key, value in tree.items()}
    if isinstance(tree, list):
        return [shared_out(value, parameters, device, of) for value in tree]
    if not isinstance(tree, Tensor):
        return tree
    if isinstance(of, DTensor) and of.shape == tree.shape:
        return distribute_tensor(tree.to(device), of.device_mesh, of.placements, src_data_rank=None)
    return tree.to(device)
