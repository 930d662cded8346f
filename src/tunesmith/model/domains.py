"""Features of two domains, and how far they are apart: what brings a model tuned on one to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import exp
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run, seed_of
from tunesmith.core.words import counted
from tunesmith.model.beside import learn_beside
from tunesmith.model.body import body, mean_state, recorded

ENOUGH = 16  # rows of a domain in a batch
NARROWEST = 64  # hidden layer of what judges features: that of a few answers needs more than they are
BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # multiples of the mean squared distance


def check_features(module: nn.Module, strategy: str) -> None:
    """Raise ``InputError`` where a model has no body whose states could be compared."""
    if body(module) is None:
        raise InputError(Problem(f"{strategy}: the model has no body below its head", f"Take {strategy} out of strategies"))


def tell_few(run: Run, strategy: str, what: str, rows: int) -> None:
    """Say where a batch, or whatever else ``what`` is, has so few rows that what they tell of a domain is mostly chance."""
    if rows < ENOUGH:
        run.say(f"{strategy}: {what} of {counted(rows, 'row')} tells little of a domain: {ENOUGH} rows or more do well")


def both(batch: Batch, other: Batch, run: Run, inner: Callable[[Batch], Loss]) -> tuple[Loss, Tensor, Tensor]:
    """The loss of a batch, and the features, (rows, hidden), of its rows and of the rows of another, with gradient."""
    part = body(run.model)
    assert part is not None
    with recorded(part) as outputs:
        loss = inner(batch)
    with recorded(part) as others:
        run.forward(other)
    return loss, pooled(part, outputs[0], batch.inputs), pooled(part, others[0], other.inputs)


def pooled(inner: nn.Module, output: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """The mean of a body's last hidden states over real positions: (batch, hidden) in float32. Of an encoder-decoder, its encoder's."""
    encoded = output.get("encoder_last_hidden_state")
    return mean_state(inner, output[0] if encoded is None else encoded, inputs)


@contextmanager
def judging(module: nn.Module) -> Iterator[None]:
    """Within, the module is in evaluation mode; afterwards each of its parts is in its own again."""
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in before:
            part.training = mode


def classifier_beside(run: Run, name: str, width: int, outputs: int) -> nn.Module:
    """What judges features (rows, ``width``) by (rows, ``outputs``) logits, and learns beside the model of a run as its module ``name``."""
    inner = max(width, NARROWEST)
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(run.seed, name))
        judge = nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, outputs))
    learn_beside(run, name, judge)
    return judge


def annealed(progress: float) -> float:
    """How much of the reversed gradient passes at a share of the run: 2 / (1 + exp(-10 p)) - 1, from 0 to 1."""
    return 2 / (1 + exp(-10 * progress)) - 1


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reversed_gradient(values: Tensor, strength: float) -> Tensor:
    """``values`` themselves, whose gradient comes back with its sign turned, times ``strength``."""
    return _Reversed.apply(values, strength)  # type: ignore[no-untyped-call, no-any-return]


def mean_discrepancy(one: Tensor, other: Tensor) -> Tensor:
    """The squared maximum mean discrepancy of two sets of features, (rows, hidden) and (others, hidden): a scalar, 0 or less by chance
    where they are of one distribution.

    The kernel is the mean of Gaussians exp(-|x - y|^2 / b), b being ``BANDWIDTHS`` times the mean squared distance of all pairs. A row is
    not compared with itself: that would reward features that are all the same.

    Source: Gretton et al. 2012, "A Kernel Two-Sample Test", equation 3, without bias.
    """
    joined = torch.cat([one, other])
    distances = (joined[:, None] - joined[None]).square().sum(dim=2)
    bandwidth = distances.detach().sum() / max(1, len(joined) * (len(joined) - 1))
    kernel = torch.stack([(-distances / (times * bandwidth).clamp_min(1e-12)).exp() for times in BANDWIDTHS]).mean(dim=0)
    n = len(one)
    return _between(kernel[:n, :n]) + _between(kernel[n:, n:]) - 2 * kernel[:n, n:].mean()


def _between(kernel: Tensor) -> Tensor:
    """The mean of a square table without its diagonal; of one row alone that of the diagonal."""
    n = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1)) if n > 1 else kernel.mean()


def correlation_distance(one: Tensor, other: Tensor) -> Tensor:
    """|C - C'|^2 / (4 d^2) of the covariances of two sets of features, (rows, d) and (others, d): a scalar.

    It is the product of what each half of the rows says of C - C', which errs by chance to both sides: the square of a few rows' would be
    far above 0 where both are of one distribution, and least where all features are the same.
    """
    first, second = (covariance(one[half::2]) - covariance(other[half::2]) for half in range(2))
    return (first * second).sum() / (4 * one.shape[1] ** 2)


def covariance(features: Tensor) -> Tensor:
    """The covariances of features (rows, d): (d, d), without bias; zeros for a row alone."""
    centred = features - features.mean(dim=0)
    return centred.T @ centred / max(1, len(features) - 1)
