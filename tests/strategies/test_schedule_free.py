"""Schedule-free: against the equations of the paper, and what is judged."""

from __future__ import annotations

import pytest
import torch

from tunesmith.core.run import Run
from tunesmith.strategies.schedule_free import ScheduleFree


def steps(strategy: ScheduleFree, run: Run, count: int, rate: float = 0.1) -> None:
    """SGD on the sum of squares of all weights."""

    @torch.no_grad()
    def inner() -> None:
        for w in run.learning().values():
            w.sub_(rate * 2 * w)

    for _ in range(count):
        strategy.step(run, inner)


@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_three_steps_by_hand(run: Run, beta: float) -> None:
    name = "classifier.bias"
    start = run.model.get_parameter(name).detach().clone()
    strategy = ScheduleFree(beta=beta)
    strategy.begin(run)
    steps(strategy, run, 3)
    z, x = start.clone(), start.clone()
    for t in range(1, 4):  # equations 3 to 5, the gradient of w^2 being 2 w
        y = (1 - beta) * z + beta * x
        z = z - 0.1 * 2 * y
        x = (1 - 1 / t) * x + z / t
    torch.testing.assert_close(strategy.average[name], x)
    torch.testing.assert_close(strategy.last[name], z)
    torch.testing.assert_close(run.model.get_parameter(name).detach(), (1 - beta) * z + beta * x)
    with strategy.finished(run):
        torch.testing.assert_close(run.model.get_parameter(name).detach(), x)
    torch.testing.assert_close(run.model.get_parameter(name).detach(), (1 - beta) * z + beta * x)


def test_the_average_forgets_the_warmup(run: Run) -> None:
    strategy = ScheduleFree(beta=0.0, warmup=2)
    strategy.begin(run)
    steps(strategy, run, 3)
    torch.testing.assert_close(strategy.average["classifier.bias"], strategy.last["classifier.bias"])
