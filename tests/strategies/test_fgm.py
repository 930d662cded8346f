"""FGM against its formula by hand: the gradient of L(x) + strength * L(x + radius * g / ||g||)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.strategies.fgm import FGM

Inner = Callable[[Sequence[Batch]], Loss]
Around = Callable[[Strategy], Inner]
Above = Callable[[Tensor], Tensor]


@pytest.fixture
def batch(batch: Batch) -> Batch:
    """The rows of a step."""
    return replace(batch, micro=0)


@pytest.mark.parametrize(("strength", "radius"), [(1.0, 0.5), (0.3, 2.0)])
def test_the_gradient_is_that_of_the_formula(run: Run, batch: Batch, around: Around, above: Above, strength: float, radius: float) -> None:
    embedded, labels = run.model.embeddings(batch.inputs["ids"]), batch.targets["labels"]
    leaf = embedded.detach().requires_grad_()
    (g,) = torch.autograd.grad(F.cross_entropy(above(leaf), labels), leaf)
    worst = embedded + radius * torch.stack([row / row.norm() for row in g])
    plain, adversarial = F.cross_entropy(above(embedded), labels), F.cross_entropy(above(worst), labels)
    names, weights = zip(*run.model.named_parameters(), strict=True)
    expected = torch.autograd.grad(plain + strength * adversarial, weights)

    strategy = FGM(strength, radius)
    strategy.begin(run)
    loss = strategy.gradient([batch], run, around(strategy))
    torch.testing.assert_close(loss.mean, (plain + strength * adversarial).detach())
    torch.testing.assert_close(loss.parts["fgm"] / loss.count, strength * adversarial.detach())
    for name, gradient in zip(names, expected, strict=True):
        torch.testing.assert_close(run.model.get_parameter(name).grad, gradient, atol=1e-5, rtol=1e-4)


def test_micro_batches_have_adversaries_of_their_own(run: Run, batch: Batch, around: Around) -> None:
    run.model.eval()
    ids, labels = batch.inputs["ids"], batch.targets["labels"]
    pieces = [
        Batch({"ids": ids[rows]}, {"labels": labels[rows]}, batch.rows[rows], 3, micro=n) for n, rows in enumerate(([0, 1, 2], [3, 4]))
    ]
    strategy, gradients = FGM(radius=2.0), []
    strategy.begin(run)
    for batches in ([batch], pieces):
        strategy.gradient(batches, run, around(strategy))
        gradients.append([w.grad.clone() for w in run.model.parameters()])
    for whole, split in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, split, atol=1e-6, rtol=1e-4)


def test_frozen_embeddings_are_perturbed_too(run: Run, batch: Batch, around: Around) -> None:
    run.model.embeddings.requires_grad_(False)
    strategy = FGM()
    strategy.begin(run)
    loss = strategy.gradient([batch], run, around(strategy))
    assert float(loss.parts["fgm"]) > 0
    assert run.model.embeddings.weight.grad is None


def test_strength_0_is_one_plain_pass(run: Run, batch: Batch, backward: Inner) -> None:
    strategy, calls = FGM(0.0), []
    strategy.begin(run)
    strategy.gradient([batch], run, lambda batches: calls.append(1) or backward(batches))
    assert len(calls) == 1


def test_after_a_failure_nothing_is_perturbed(run: Run, batch: Batch) -> None:
    strategy = FGM()
    strategy.begin(run)

    def fails(batches: Sequence[Batch]) -> Loss:
        raise MemoryError

    with pytest.raises(MemoryError):
        strategy.gradient([batch], run, fails)
    loss = Loss(torch.tensor(1.0), 1)
    assert strategy.loss(batch, run, lambda batch: loss) is loss
    assert strategy.memory() == {}


def test_a_model_without_embeddings_is_refused(run: Run) -> None:
    run.model = nn.Linear(2, 2)
    with pytest.raises(InputError, match="fgm: the model has no input embeddings"):
        FGM().begin(run)
