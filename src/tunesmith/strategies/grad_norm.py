"""GradNorm: the gradients of all tasks are brought to one length, longer where a task learns more slowly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.mixture import APART, Mixture
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.shared import shared_parameters
from tunesmith.model.task_gradients import TaskGradient, of_each_task, put, summed, whole

SMALLEST = 1e-3  # what a task weighs at least; below 0 it would unlearn
TINY = 1e-12  # a length or a loss that is none


@dataclass
class GradNorm(Strategy):
    """Weighs the tasks so that their gradients at the last shared layer are about as long, and longer where a loss has fallen less.

    Formula: g = sum_i w_i g_i / T; G_i = w_i |g_i| at the last shared layer, r_i = (L_i / L_i(0)) / mean of all; then w_i moves against the
    gradient of sum_i |G_i - mean(G) r_i^alpha|, where the mean and r are taken as constant, and sum_i w_i is set to T again.
    Use when: the gradients of some tasks drown those of others; alpha is higher where tasks differ much in how fast they learn.
    Cost: memory: a gradient more for each task; time x1, and a little for the lengths.
    Source: Chen et al. 2018, "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks", equations 1 and 2,
    algorithm 1.
    Differs: w_i moves by lengths relative to their mean, so that the rate has no unit; tasks begin with the weights that the recipe gives
    them; a task without a row in a step is left as it is; the last layer is that of those which learn at the time.
    """

    alpha: float = setting(1.5, "asymmetry: how much more a task gets that learns more slowly; 0 makes all gradients as long", low=0)
    rate: float = setting(0.025, "learning rate of the weights; 0 leaves them as they begin", low=0)

    needs: ClassVar[frozenset[str]] = frozenset({APART})
    owns: ClassVar[frozenset[str]] = frozenset({"what tasks weigh"})

    def begin(self, run: Run) -> None:
        assert isinstance(run.task, Mixture)
        given = torch.tensor([member.weight for member in run.task.members.values()])
        self.weights = given * len(given) / given.sum()
        self.first: dict[str, float] = {}
        self._names = list(run.task.members)
        self._shared = shared_parameters(run.model)
        if len(self._names) == 1:
            run.say("grad_norm: there is one task, and nothing to weigh it against: nothing is done")

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        found = of_each_task(batches, run, inner) if len(self._names) > 1 else []
        if not found:
            return inner(batches)
        places = [self._names.index(own.name) for own in found]
        shares = self.weights[places] / self.weights[places].sum()
        pairs = zip(found, shares.tolist(), strict=True)
        put(summed([{name: part * share for name, part in own.gradient.items()} for own, share in pairs]), run)
        self._follow(found, places, run)
        return whole(found)

    def _follow(self, found: Sequence[TaskGradient], places: list[int], run: Run) -> None:
        """Move the weights of the tasks at ``places`` after what their gradients and losses are in this step."""
        last = last_layer(found, self._shared, run)
        lengths = torch.tensor([length(own, last) for own in found])
        ratios = torch.tensor([own.mean / max(self.first.setdefault(own.name, own.mean), TINY) for own in found])
        if len(found) > 1 and min(lengths.mean(), ratios.mean()) > TINY:
            moved = self.weights.clone()
            moved[places] -= self.rate * towards(moved[places], lengths, ratios, self.alpha) / lengths.mean()
            moved = moved.clamp_min(SMALLEST)
            self.weights = moved * len(moved) / moved.sum()


def towards(weights: Tensor, lengths: Tensor, ratios: Tensor, alpha: float) -> Tensor:
    """The gradient of sum_i |w_i l_i - mean(w l) r_i^alpha| by w, (tasks,), where the mean and r are constant.

    ``lengths`` are those of the gradients of the losses, and ``ratios`` by how much each is left of what it was at first, (tasks,).
    """
    weighed = weights * lengths
    wanted = weighed.mean() * (ratios / ratios.mean()) ** alpha
    return torch.sign(weighed - wanted) * lengths


def last_layer(found: Sequence[TaskGradient], shared: frozenset[str], run: Run) -> list[str]:
    """The names of the parameters of the highest layer in which every task has a gradient; none where there is no such layer."""
    common = [name for name in found[0].gradient if name in shared and all(name in own.gradient for own in found)]
    highest = max((run.params[name].depth for name in common), default=0)
    return [name for name in common if run.params[name].depth == highest]


def length(own: TaskGradient, names: Sequence[str]) -> float:
    """The length of the part of a gradient that is of the parameters ``names``."""
    return math.sqrt(sum(float(own.gradient[name].double().square().sum()) for name in names))
