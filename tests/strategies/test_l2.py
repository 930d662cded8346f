"""L2: coupled it is a gradient of strength * w, decoupled it is AdamW's decay without the rate."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.strategies.l2 import L2, shrink, squared_size

Inner = Callable[[Batch], Loss]


def covered(name: str) -> bool:
    return name.endswith("weight") and "norm" not in name and "final" not in name


def test_the_gradient_is_that_of_the_formula(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()  # no dropout: the same objective twice
    names, weights = zip(*run.learning().items(), strict=True)
    losses = objective(batch), L2(0.3).loss(batch, run, objective)
    plain, penalised = (torch.autograd.grad(loss.sum / loss.count, weights) for loss in losses)
    for name, w, before, after in zip(names, weights, plain, penalised, strict=True):
        torch.testing.assert_close(after - before, 0.3 * w.detach() * covered(name), atol=1e-6, rtol=1e-5)


def test_coupled_it_is_weight_decay_in_the_gradient_as_torchs_sgd_has_it(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    run.model.requires_grad_(False)
    w = run.model.classifier.weight.requires_grad_(True)
    ours, theirs = (torch.nn.Parameter(w.detach().clone()) for _ in range(2))
    ours.grad = torch.autograd.grad(L2(0.3).loss(batch, run, objective).mean, w)[0]
    theirs.grad = torch.autograd.grad(objective(batch).mean, w)[0]
    torch.optim.SGD([ours], lr=0.1).step()
    torch.optim.SGD([theirs], lr=0.1, weight_decay=0.3).step()
    torch.testing.assert_close(ours, theirs)


def test_decoupled_it_is_the_decay_of_adamw(run: Run) -> None:
    w = run.model.classifier.weight
    theirs = torch.nn.Parameter(w.detach().clone())
    optimizers = torch.optim.AdamW([w], lr=0.1, weight_decay=0.0), torch.optim.AdamW([theirs], lr=0.1, weight_decay=0.2)
    strategy = L2(0.1 * 0.2, decoupled=True)
    for _ in range(3):
        w.grad = torch.randn_like(w)
        theirs.grad = w.grad.clone()
        strategy.step(run, optimizers[0].step)
        optimizers[1].step()
    torch.testing.assert_close(w, theirs)


def test_decoupled_it_leaves_the_loss_biases_norms_and_frozen_weights_alone(run: Run, batch: Batch) -> None:
    run.model.embeddings.requires_grad_(False)
    before = {name: w.detach().clone() for name, w in run.model.named_parameters()}
    strategy, loss = L2(0.5, decoupled=True), Loss(torch.tensor(1.0), 1)
    assert strategy.loss(batch, run, lambda batch: loss) is loss
    strategy.step(run, lambda: None)
    for name, w in run.model.named_parameters():
        share = 0.5 if covered(name) and name != "embeddings.weight" else 1.0
        assert torch.equal(w, before[name] * share), name


def test_zero_strength_does_nothing(run: Run, batch: Batch) -> None:
    loss, before = Loss(torch.tensor(1.0), 1), run.model.classifier.weight.detach().clone()
    for strategy in (L2(0.0), L2(0.0, decoupled=True)):
        assert strategy.loss(batch, run, lambda batch: loss) is loss
        strategy.step(run, lambda: None)
    assert torch.equal(run.model.classifier.weight, before)


def test_the_arithmetic() -> None:
    w = torch.tensor([1.0, -2.0])
    assert float(squared_size([w, torch.tensor([[4.0]])])) == 21
    shrink([w], 0.25)
    assert w.tolist() == [0.75, -1.5]
