"""SMART against its two terms written out, its averaged model, and what its passes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.model.divergence import symmetric_kl
from tunesmith.model.perturb import uniform
from tunesmith.strategies.smart import SMART, ascended, follow

Inner = Callable[[Batch], Loss]


@pytest.mark.parametrize("num_steps", [1, 3])
def test_the_adversarial_term_is_that_of_algorithm_1(
    run: Run, batch: Batch, objective: Inner, above: Callable[[Tensor], Tensor], num_steps: int
) -> None:
    embedded = run.model.embeddings(batch.inputs["ids"])
    delta = uniform(embedded.detach(), torch.ones(5, 3, 1), 0.2, run.generator("smart"))
    plain = above(embedded)
    for _ in range(num_steps):
        delta = delta.detach().requires_grad_()
        (g,) = torch.autograd.grad(symmetric_kl(above(embedded.detach() + delta), plain.detach()).sum(), delta)
        largest = torch.stack([row.abs().max() for row in g])[:, None, None]
        delta = (delta.detach() + 0.2 * g / largest).clamp(-0.2, 0.2)
    expected = 3.0 * symmetric_kl(above(embedded + delta), plain).sum()

    strategy = SMART(strength=3.0, radius=0.2, num_steps=num_steps)
    strategy.begin(run)
    loss = strategy.loss(batch, run, objective)
    torch.testing.assert_close(loss.parts["smart"], expected.detach(), atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(loss.sum - objective(batch).sum, expected, atol=1e-5, rtol=1e-4)
    weights = list(run.model.parameters())
    ours = torch.autograd.grad(loss.sum - objective(batch).sum, weights, materialize_grads=True)
    for found, wanted in zip(ours, torch.autograd.grad(expected, weights, materialize_grads=True), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-3)


def test_the_proximal_term_is_the_divergence_from_the_averaged_model(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    strategy = SMART(strength=0.0, proximal=2.0, momentum=0.75)
    strategy.begin(run)
    assert "smart_proximal" not in strategy.loss(batch, run, objective).parts  # nothing was before
    before = objective(batch).logits.detach()
    start = {name: w.detach().clone() for name, w in run.model.named_parameters()}

    def update() -> None:
        with torch.no_grad():
            for w in run.model.parameters():
                w.add_(torch.randn_like(w))

    strategy.step(run, update)
    after = {name: w.detach().clone() for name, w in run.model.named_parameters()}
    for name, average in strategy.average.items():
        torch.testing.assert_close(average, 0.75 * start[name] + 0.25 * after[name])
    run.model.load_state_dict(strategy.average)
    averaged = objective(batch).logits.detach()
    run.model.load_state_dict(after)
    loss = strategy.loss(batch, run, objective)
    torch.testing.assert_close(loss.parts["smart_proximal"], 2.0 * symmetric_kl(averaged, objective(batch).logits).sum().detach())
    assert not torch.allclose(averaged, before)
    assert all(torch.equal(w, after[name]) for name, w in run.model.named_parameters())


def test_all_passes_share_their_dropout_masks_and_the_next_ones_do_not(run: Run, batch: Batch, objective: Inner) -> None:
    seen: list[Tensor] = []

    def inner(batch: Batch) -> Loss:
        loss = objective(batch)
        seen.append(loss.logits)
        return loss

    strategy = SMART(radius=1e-9)
    strategy.begin(run)
    strategy.loss(batch, run, inner)
    strategy.loss(batch, run, inner)
    assert len(seen) == 6
    torch.testing.assert_close(seen[0], seen[2])
    assert not torch.allclose(seen[0], seen[3])


def test_weights_of_items_weigh_the_term(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    losses = []
    for weight in (1.0, 3.0):
        strategy = SMART()
        strategy.begin(run)
        torch.manual_seed(0)
        loss = strategy.loss(batch, run, lambda batch, weight=weight: replace(objective(batch), weights=torch.full((5,), weight)))
        losses.append(loss.parts["smart"])
    torch.testing.assert_close(losses[1], 3 * losses[0])


def test_without_strengths_it_is_the_very_loss(run: Run, batch: Batch) -> None:
    loss, before = Loss(torch.tensor(1.0), 1), torch.get_rng_state()
    assert SMART(strength=0.0).loss(batch, run, lambda batch: loss) is loss
    assert torch.equal(torch.get_rng_state(), before)


def test_a_step_of_the_adversary_stays_in_its_box() -> None:
    delta, gradient = torch.zeros(2, 1, 2), torch.tensor([[[4.0, -1.0]], [[0.0, 0.0]]])
    assert ascended(delta, gradient, 0.2).flatten().tolist() == pytest.approx([0.2, -0.05, 0, 0])
    assert ascended(delta + 0.15, gradient, 0.2).flatten().tolist() == pytest.approx([0.2, 0.1, 0.15, 0.15])


def test_follow_is_in_place() -> None:
    average = {"w": torch.tensor([0.0])}
    held = average["w"]
    follow(average, {"w": torch.tensor([4.0])}, 0.75)
    assert held.tolist() == [1.0]
