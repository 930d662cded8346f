"""The last linear layer of a classifier: which it is, what it is given, and the one that fits best."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tunesmith.model.divergence import kind_of

STEPS, FEW_STEPS = 200, 50  # of L-BFGS at most: for the layer, and for one that is only tried
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # that are tried
FOLDS, TRIED = 3, 3_000  # parts of the rows that are held out in turn, and rows on which penalties are tried at most
SMALL = 1e-6  # a gradient below which nothing is gained any more
FINEST = 0.01  # spread of an input, of the size of all, below which it is not scaled up: half precision would not tell its values apart

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # of (rows, outputs) and targets: (rows,)
    "classes": lambda logits, targets: F.cross_entropy(logits, targets, reduction="none"),
    "labels": lambda logits, targets: F.binary_cross_entropy_with_logits(logits, targets.double(), reduction="none").mean(dim=1),
    "numbers": lambda logits, targets: (logits.squeeze(1) - targets.double()).square() / 2,
}


def last_linear(model: nn.Module, logits: Callable[[], Tensor]) -> str | None:
    """The name of the layer whose output ``logits`` returns, (rows, outputs), of the model that it passes; None where it is not linear."""
    called: list[tuple[str, Tensor]] = []
    hooks = [
        part.register_forward_hook(lambda module, inputs, output, name=name: called.append((name, output)))
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear)
    ]
    try:
        wanted = logits()
    finally:
        for hook in hooks:
            hook.remove()
    return next((name for name, output in reversed(called) if _holds(output, wanted)), None)


def _holds(output: Tensor, logits: Tensor) -> bool:
    if output.shape[-1] != logits.shape[-1] or len(output) != len(logits):
        return False
    return torch.equal(_chosen(output, output, logits).float(), logits.float())


@contextmanager
def given_to(layer: nn.Module) -> Iterator[Callable[[Tensor], Tensor]]:
    """Within, what ``layer`` was given for the logits of its latest pass: a function of these (rows, outputs) to (rows, inputs)."""
    seen: list[tuple[Tensor, Tensor]] = []
    hook = layer.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    try:
        yield lambda logits: _chosen(*seen[-1], logits)
    finally:
        hook.remove()


def _chosen(states: Tensor, output: Tensor, logits: Tensor) -> Tensor:
    """The states of each row at the position that its logits are of, where a layer passes every position of a text: (rows, hidden)."""
    if output.dim() == 2:
        return states
    places = (output - logits[:, None]).abs().sum(dim=-1).argmin(dim=1)
    return states[torch.arange(len(states), device=states.device), places]


def best_penalty(states: Tensor, targets: Tensor, weights: Tensor, layer: nn.Linear) -> float:
    """The penalty of ``PENALTIES`` with the lowest loss on rows that are held out, each once, of every so many rows; see ``solved``."""
    every = -(-len(states) // TRIED)
    states, targets, weights = states[::every].double(), targets[::every], weights[::every].double()
    fold = torch.arange(len(states), device=states.device) % FOLDS
    loss, lost = LOSSES[kind_of(targets)], dict.fromkeys(PENALTIES, 0.0)
    for penalty in PENALTIES:
        for held in range(FOLDS):
            known, asked = fold != held, fold == held
            found = solved(states[known], targets[known], weights[known], layer, penalty, steps=FEW_STEPS)
            losses = loss(F.linear(states[asked], found["weight"], found["bias"]), targets[asked])
            lost[penalty] += float(weights[asked] @ losses)
    return min(PENALTIES, key=lambda penalty: lost[penalty])


def solved(states: Tensor, targets: Tensor, weights: Tensor, layer: nn.Linear, penalty: float, steps: int = STEPS) -> dict[str, Tensor]:
    """The ``weight`` and, where it has one, the ``bias`` of ``layer`` that fit best, in float64.

    They make ``sum w_i l_i / sum w_i + penalty / 2 |V|^2`` the smallest. ``states`` (rows, inputs) are what the layer is given, ``weights``
    (rows,) what rows count. l is cross-entropy where ``targets`` are classes, its mean over labels where they are labels, and half a
    squared error where they are numbers; V is the weight for inputs with a variance of 1, or of less where they hardly vary.
    """
    loss, states, shares = LOSSES[kind_of(targets)], states.double(), weights.double() / weights.double().sum()
    spread, size = states.std(dim=0, correction=0), states.square().mean().sqrt()
    scale = 1 / spread.clamp_min(FINEST * size).clamp_min(torch.finfo(spread.dtype).tiny)
    centre = states.mean(dim=0) if layer.bias is not None else torch.zeros_like(spread)
    inputs = (states - centre) * scale
    weight = states.new_zeros(layer.weight.shape, requires_grad=True)
    bias = states.new_zeros(layer.out_features, requires_grad=layer.bias is not None)
    learned = [part for part in (weight, bias) if part.requires_grad]
    search = torch.optim.LBFGS(learned, max_iter=steps, tolerance_grad=SMALL, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        search.zero_grad()
        value = (shares * loss(F.linear(inputs, weight, bias), targets)).sum() + penalty / 2 * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        search.step(objective)  # type: ignore[no-untyped-call]
    found = (weight * scale).detach()
    return {"weight": found, "bias": bias.detach() - found @ centre}
