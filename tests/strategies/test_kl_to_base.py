"""KL to base: the divergence from the weights that training started from, and what the copy costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch.distributions import Categorical, kl_divergence

from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.strategies.kl_to_base import KLToBase

Inner = Callable[[Batch], Loss]


def move(run: Run) -> None:
    with torch.no_grad():
        for w in run.model.parameters():
            w.add_(torch.randn_like(w))


def test_the_term_is_the_divergence_from_the_start(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    base = objective(batch).logits.detach()
    strategy = KLToBase(0.3)
    strategy.begin(run)
    assert float(strategy.loss(batch, run, objective).parts["kl_to_base"]) == 0
    move(run)
    plain, loss = objective(batch), strategy.loss(batch, run, objective)
    expected = 0.3 * kl_divergence(Categorical(logits=plain.logits), Categorical(logits=base)).sum()
    torch.testing.assert_close(loss.parts["kl_to_base"], expected.detach(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(loss.sum, plain.sum + expected)
    assert torch.autograd.grad(loss.sum - plain.sum, run.model.classifier.weight)[0].abs().sum() > 0


def test_the_base_has_no_dropout_while_the_model_has(run: Run, batch: Batch, objective: Inner) -> None:
    strategy = KLToBase()
    strategy.begin(run)
    assert run.model.training
    seen = [run.task.objective(batch, strategy._base).logits for _ in range(2)]
    assert torch.equal(*seen)
    assert not seen[0].requires_grad


def test_weights_of_items_weigh_the_term(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    strategy = KLToBase()
    strategy.begin(run)
    move(run)
    parts = [
        strategy.loss(batch, run, lambda batch, w=w: replace(objective(batch), weights=torch.full((5,), w))).parts["kl_to_base"]
        for w in (1.0, 3.0)
    ]
    torch.testing.assert_close(parts[1], 3 * parts[0])


def test_what_the_model_itself_keeps_is_not_copied(run: Run) -> None:
    run.fixed = frozenset({"embeddings.weight"})
    strategy = KLToBase()
    strategy.begin(run)
    base = strategy._base
    assert isinstance(base, Forward)
    assert base.module.embeddings.weight is run.model.embeddings.weight
    assert base.module.classifier.weight is not run.model.classifier.weight


def test_a_new_head_is_told(run: Run, said: list[str]) -> None:
    run.params["classifier.weight"] = replace(run.params["classifier.weight"], fresh=True)
    KLToBase().begin(run)
    assert "new head" in said[0]


def test_zero_strength_copies_nothing_and_returns_the_very_loss(run: Run, batch: Batch) -> None:
    strategy, loss = KLToBase(0.0), Loss(torch.tensor(1.0), 1)
    strategy.begin(run)
    assert strategy._base is None
    assert strategy.loss(batch, run, lambda batch: loss) is loss
