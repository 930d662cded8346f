"""SAM and ASAM against the formulas of the papers, on a quadratic whose gradient is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import nn

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.recipes.document import Document
from tunesmith.recipes.validate import build
from tunesmith.strategies.sam import SAM, ascent

Inner = Callable[[Sequence[Batch]], Loss]


class Quadratic(nn.Module):
    """L(a, b) = (h * a^2).sum() / 2 + 3 b^2 / 2 with gradient (h * a, 3 b)."""

    def __init__(self) -> None:
        super().__init__()
        self.h = torch.tensor([1.0, 4.0])
        self.a = nn.Parameter(torch.tensor([2.0, -1.0]))
        self.b = nn.Parameter(torch.tensor([0.5]))

    def backward(self, batches: Sequence[Batch]) -> Loss:
        self.zero_grad()
        loss = (self.h * self.a.square()).sum() / 2 + 1.5 * self.b.square().sum()
        loss.backward()
        return Loss(loss.detach(), 1)


@pytest.fixture
def quadratic(run: Run) -> Quadratic:
    run.model = Quadratic()
    return run.model


def test_the_gradient_is_that_of_the_worst_point_nearby(run: Run, quadratic: Quadratic) -> None:
    w, h = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([1.0, 4.0, 3.0])
    g = h * w
    worst = w + 0.3 * g / g.norm()  # Foret et al., equation 2
    loss = SAM(rho=0.3).gradient([], run, quadratic.backward)
    torch.testing.assert_close(torch.cat([quadratic.a.grad, quadratic.b.grad]), h * worst)  # equation 3
    assert torch.cat([quadratic.a, quadratic.b]).tolist() == w.tolist()
    assert float(loss.sum) == pytest.approx(float((h * w * w).sum() / 2))


def test_asam_measures_in_units_of_the_weights(run: Run, quadratic: Quadratic) -> None:
    w, h = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([1.0, 4.0, 3.0])
    g, t = h * w, w.abs() + 0.01
    worst = w + 0.3 * t.square() * g / (t * g).norm()  # Kwon et al., algorithm 1
    SAM(rho=0.3, adaptive=True).gradient([], run, quadratic.backward)
    torch.testing.assert_close(torch.cat([quadratic.a.grad, quadratic.b.grad]), h * worst)


def test_the_step_has_the_length_rho_and_frozen_weights_stay_out_of_it(run: Run, quadratic: Quadratic) -> None:
    quadratic.b.requires_grad_(False)
    SAM(rho=0.3).gradient([], run, quadratic.backward)
    g = torch.tensor([2.0, -4.0])
    torch.testing.assert_close(quadratic.a.grad, quadratic.h * (torch.tensor([2.0, -1.0]) + 0.3 * g / g.norm()))
    (step,) = ascent([torch.ones(3)], [torch.tensor([1.0, 2.0, 2.0])], rho=0.3)
    assert float(step.norm()) == pytest.approx(0.3)


def test_radius_0_is_one_plain_pass(run: Run, batch: Batch, backward: Inner) -> None:
    calls: list[int] = []

    def counted(batches: Sequence[Batch]) -> Loss:
        calls.append(1)
        return backward(batches)

    SAM(rho=0.0).gradient([batch], run, counted)
    ours = [w.grad.clone() for w in run.model.parameters()]
    backward([batch])
    assert all(torch.equal(grad, w.grad) for grad, w in zip(ours, run.model.parameters(), strict=True))
    assert len(calls) == 1


def test_weights_are_the_same_to_the_bit_afterwards_and_after_a_failure(run: Run, batch: Batch, backward: Inner) -> None:
    before = [w.detach().clone() for w in run.model.parameters()]
    SAM().gradient([batch], run, backward)
    assert all(torch.equal(w, old) for w, old in zip(run.model.parameters(), before, strict=True))
    passes = iter([backward])

    def fails_at_the_second(batches: Sequence[Batch]) -> Loss:
        inner = next(passes, None)
        if inner is None:
            raise MemoryError
        return inner(batches)

    with pytest.raises(MemoryError):
        SAM().gradient([batch], run, fails_at_the_second)
    assert all(torch.equal(w, old) for w, old in zip(run.model.parameters(), before, strict=True))


def test_a_gradient_of_zero_moves_nothing() -> None:
    (step,) = ascent([torch.ones(2)], [torch.zeros(2)], rho=0.5)
    assert step.tolist() == [0.0, 0.0]


def test_a_recipe_gives_eta_to_asam_alone() -> None:
    document = Document({})
    build(SAM, {"eta": 0.1}, document, ())
    assert "eta" in str(document.problems[0])
    assert build(SAM, {"eta": 0.1, "adaptive": True}, Document({}), ()) == SAM(eta=0.1, adaptive=True)
