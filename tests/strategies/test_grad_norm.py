"""GradNorm against its formula, differentiated on a small model, and what it keeps from step to step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from training import mixed_fit, tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.core.mixture import Mixture
from tunesmith.core.run import Run
from tunesmith.engine.stack import Stack
from tunesmith.model.task_gradients import TaskGradient
from tunesmith.strategies.grad_norm import GradNorm, last_layer, length, towards
from tunesmith.tasks.text_classification import TextClassification


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.5])
def test_the_weights_follow_the_gradient_of_the_paper(alpha: float) -> None:
    torch.manual_seed(0)
    shared, heads = torch.randn(4, 3, requires_grad=True), [torch.randn(3), 5 * torch.randn(3), torch.randn(3) / 9]
    inputs, targets, first = torch.randn(8, 4), torch.randn(8), torch.tensor([2.0, 40.0, 1.0])
    weights = torch.tensor([0.5, 1.5, 1.0], requires_grad=True)
    losses = torch.stack([((inputs @ shared).tanh() @ head - targets).square().mean() for head in heads])
    # equation 2 as it stands: norms of the gradients of w_i L_i, with a graph, and a constant on the other side
    norms = torch.stack(
        [torch.autograd.grad(w * loss, shared, create_graph=True)[0].norm() for w, loss in zip(weights, losses, strict=True)]
    )
    left = (losses / first).detach()
    wanted = (norms.mean() * (left / left.mean()) ** alpha).detach()
    [expected] = torch.autograd.grad((norms - wanted).abs().sum(), weights)
    lengths = torch.stack([torch.autograd.grad(loss, shared, retain_graph=True)[0].norm() for loss in losses])
    torch.testing.assert_close(towards(weights.detach(), lengths, left, alpha), expected)


def test_lengths_are_those_of_the_highest_layer_that_all_tasks_share() -> None:
    depths = {"low": 1, "high": 2, "head": 3, "own": 2}
    run: Any = SimpleNamespace(params={name: SimpleNamespace(depth=depth) for name, depth in depths.items()})
    loss = Loss(torch.tensor(6.0), 2.0, parts={"a": torch.tensor(4.0), "b": torch.tensor(6.0)})
    one = TaskGradient("a", loss, {"low": torch.ones(2), "high": torch.tensor([3.0, 4.0]), "head": torch.ones(9), "own": torch.ones(9)})
    other = TaskGradient("b", loss, {"low": torch.ones(2), "high": torch.tensor([0.0, 2.0]), "head": torch.ones(9)})
    last = last_layer([one, other], frozenset({"low", "high", "own"}), run)
    assert last == ["high"]
    assert [length(own, last) for own in (one, other)] == [5.0, 2.0]
    assert [own.mean for own in (one, other)] == [2.0, 3.0]  # without what strategies added
    assert last_layer([one], frozenset(), run) == []


class _Seen(GradNorm):
    """Keeps what it began each step with."""

    def _follow(self, found: Any, places: Any, run: Run) -> None:
        before = self.weights.clone()
        super()._follow(found, places, run)
        ratios, last = torch.tensor([own.mean / self.first[own.name] for own in found]), last_layer(found, self._shared, run)
        lengths = torch.tensor([length(own, last) for own in found])
        assert {run.params[name].depth for name in last} == {3}  # of three
        self.steps = [*getattr(self, "steps", []), [before, lengths, ratios, self.weights.clone()]]


_Seen.__module__ = GradNorm.__module__


def test_each_step_moves_the_weights_and_keeps_their_sum() -> None:
    strategy = _Seen(rate=0.1)
    mixed_fit(None, [strategy], steps=3, weights=(1.0, 3.0))
    assert len(strategy.steps) == 3
    assert strategy.steps[0][0].tolist() == [0.5, 1.5]  # the weights of the recipe
    assert strategy.steps[0][2].tolist() == [1.0, 1.0]
    for before, lengths, ratios, after in strategy.steps:
        moved = before - 0.1 * towards(before, lengths, ratios, 1.5) / lengths.mean()
        torch.testing.assert_close(after, moved * 2 / moved.sum())
        assert not torch.equal(before, after)


def test_no_weight_falls_to_nothing() -> None:
    strategy = _Seen(rate=50.0, alpha=0.0)
    mixed_fit(None, [strategy], steps=2)
    for *_, after in strategy.steps:
        assert float(after.min()) > 0
        assert float(after.sum()) == pytest.approx(2)


def test_it_is_refused_with_one_kind_of_task_and_leaves_a_mixture_of_one_alone() -> None:
    with pytest.raises(InputError, match="'grad_norm' needs several tasks"):
        Stack([GradNorm()], TextClassification())
    with pytest.raises(InputError, match="'grad_norm' and 'famo' both decide on what tasks weigh"):
        tiny_fit(None, [GradNorm(), famo()], steps=1)
    strategy, said = GradNorm(), list[str]()
    fitted = mixed_fit(None, steps=1)
    fitted.run.task = Mixture({"texts": fitted.run.task.members["texts"]})  # type: ignore[attr-defined]
    fitted.run.say = said.append
    strategy.begin(fitted.run)
    loss = object()
    assert strategy.gradient([], fitted.run, lambda batches: loss) is loss  # type: ignore[arg-type, return-value]
    assert said == ["grad_norm: there is one task, and nothing to weigh it against: nothing is done"]


def famo() -> Any:
    from tunesmith.strategies.famo import FAMO

    return FAMO()
