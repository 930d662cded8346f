"""Which rows would help with others if they were learned from: by how the gradients of their losses agree.

A step against the gradient g of a row changes the loss of a target, to first order, by - rate * g . g_target. Gradients are those of the
last layer and of the head, where they are cheap: nothing below is passed backwards.

Source: Pruthi et al. 2020, "Estimating Training Data Influence by Tracing Gradient Descent", arXiv:2002.08484, sections 3.1 and 3.6; the
cosine, since short rows have long gradients: Xia et al. 2024, "LESS: Selecting Influential Data for Targeted Instruction Tuning",
arXiv:2402.04333, section 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.forward import Forward
from tunesmith.core.run import seed_of
from tunesmith.core.task import Row, Task
from tunesmith.model.backbone import describe
from tunesmith.model.domains import judging


def agreement(items: Iterable[Row], target: Iterable[Row], task: Task, forward: Forward, tokenizer: Any) -> list[float]:
    """The cosine between the gradient of each row's loss and the mean of those of the ``target``, -1 to 1, and 0 for no gradient.

    Both are encoded items, those of a row one after the other. Each row goes through the model alone, in float32.
    """
    forward = replace(forward, dtype=torch.float32)
    with judging(forward.module), learning(forward.module) as weights:
        sums = torch.zeros(sum(weight.numel() for weight in weights), device=forward.device)
        for gradient in gradients(target, weights, task, forward, tokenizer):
            sums += gradient
        aim = direction(sums)
        return [float(direction(gradient) @ aim) for gradient in gradients(items, weights, task, forward, tokenizer)]


def gradients(items: Iterable[Row], weights: Sequence[nn.Parameter], task: Task, forward: Forward, tokenizer: Any) -> Iterator[Tensor]:
    """The gradient of the mean loss of each row, (weights,)."""
    for _, parts in groupby(enumerate(items), lambda numbered: numbered[1]["row"]):
        losses = [task.objective(_batch(task, item, place, tokenizer).to(forward.device), forward) for place, item in parts]
        loss = torch.stack([part.sum for part in losses]).sum() / (sum(part.count for part in losses) or 1.0)
        found = torch.autograd.grad(loss, list(weights), allow_unused=True, materialize_grads=True)
        yield torch.cat([gradient.flatten().float() for gradient in found])


@contextmanager
def learning(module: nn.Module) -> Iterator[list[nn.Parameter]]:
    """The weights of the last layer and of the head, which alone have gradients within; but no table with a row for each token."""
    table = getattr(module, "get_output_embeddings", lambda: None)()
    params, named = describe(module), dict(module.named_parameters())
    before = {name: weight.requires_grad for name, weight in named.items()}
    chosen = [
        named[name]
        for name, param in params.items()
        if param.depth >= param.layers and named[name].is_floating_point() and named[name] is not getattr(table, "weight", None)
    ]
    for weight in named.values():
        weight.requires_grad_(False)
    for weight in chosen:
        weight.requires_grad_(True)
    try:
        yield chosen
    finally:
        for name, wanted in before.items():
            named[name].requires_grad_(wanted)


def direction(gradient: Tensor) -> Tensor:
    """The gradient at length 1; zeros stay zeros."""
    length: Tensor = gradient.norm()
    return gradient / length.clamp_min(torch.finfo(gradient.dtype).tiny)


def _batch(task: Task, item: Row, place: int, tokenizer: Any) -> Any:
    return task.collate([{**item, "draw": seed_of(0, "agreement", place)}], tokenizer)
