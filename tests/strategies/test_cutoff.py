"""Cutoff: what is erased, the divergence, and the loss of both views."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.strategies.cutoff import KEPT, Cutoff, features_kept, jensen_shannon, span_kept, tokens_kept

Inner = Callable[[Batch], Loss]
EMBEDDED = torch.ones(200, 10, 8)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_tokens_and_features_are_erased_with_the_rate() -> None:
    assert float(tokens_kept(EMBEDDED, EMBEDDED[..., :1], 0.3, generator()).mean()) == pytest.approx(0.7, abs=0.03)
    kept = features_kept(EMBEDDED, EMBEDDED[..., :1], 0.3, generator())
    assert kept.shape == (200, 1, 8)
    assert float(kept.mean()) == pytest.approx(0.7, abs=0.04)


@pytest.mark.parametrize("left", [False, True])
def test_a_span_is_one_run_of_real_tokens(left: bool) -> None:
    real = torch.ones(200, 10, 1)
    real[:100, (slice(0, 4) if left else slice(6, 10))] = 0  # 6 of 10 are real
    gone = 1 - span_kept(EMBEDDED, real, 0.4, generator())[..., 0]
    assert gone.sum(dim=1).tolist() == [2] * 100 + [4] * 100
    assert not (gone * (1 - real[..., 0])).any()
    assert (gone.diff(dim=1).abs().sum(dim=1) <= 2).all()
    assert gone.argmax(dim=1)[100:].unique().tolist() == list(range(7))
    assert span_kept(EMBEDDED, EMBEDDED[..., :1], 0.01, generator()).sum() == 200 * 9  # one token at least


def test_the_divergence_is_that_of_jensen_and_shannon() -> None:
    one, other = torch.randn(4, 5), torch.randn(4, 5)
    p, q = one.softmax(dim=1), other.softmax(dim=1)
    middle = (p + q) / 2
    expected = ((p * (p / middle).log()).sum(dim=1) + (q * (q / middle).log()).sum(dim=1)) / 2
    torch.testing.assert_close(jensen_shannon(one, other, torch.zeros(4).long()), expected)
    far = jensen_shannon(torch.tensor([[50.0, 0.0]]), torch.tensor([[0.0, 50.0]]), torch.zeros(1).long())
    torch.testing.assert_close(far, torch.tensor([2.0]).log())
    p, q = one.sigmoid(), other.sigmoid()
    middle = (p + q) / 2
    each = [(a * (a / middle).log() + (1 - a) * ((1 - a) / (1 - middle)).log()).mean(dim=1) for a in (p, q)]
    torch.testing.assert_close(jensen_shannon(one, other, torch.zeros(4, 5)), (each[0] + each[1]) / 2)
    torch.testing.assert_close(jensen_shannon(one[:, :1], other[:, :1], torch.zeros(4)), (one - other)[:, 0].square())


@pytest.mark.parametrize("what", KEPT)
def test_the_loss_has_both_views(what: str, run: Run, batch: Batch, objective: Inner, above: Callable[[Tensor], Tensor]) -> None:
    loss = Cutoff(what=what, rate=0.5, strength=2.0, consistency=3.0).loss(batch, run, objective)
    embedded = run.model.embeddings(batch.inputs["ids"])
    erased = embedded * KEPT[what](embedded, torch.ones(5, 1, 1), 0.5, run.generator("cutoff"))
    plain, second, labels = objective(batch).logits, above(erased), batch.targets["labels"]
    assert not torch.equal(plain, second)
    view, apart = F.cross_entropy(second, labels, reduction="sum"), jensen_shannon(plain, second, labels).sum()
    torch.testing.assert_close(loss.sum, objective(batch).sum + 2 * view + 3 * apart)
    torch.testing.assert_close(loss.parts["cutoff_consistency"], (3 * apart).detach())
    assert loss.count == 5


@pytest.mark.parametrize("strategy", [Cutoff(rate=0.0), Cutoff(strength=0.0, consistency=0.0)])
def test_nothing_is_the_very_loss(strategy: Cutoff, run: Run, batch: Batch) -> None:
    loss = Loss(torch.tensor(1.0), 1)
    assert strategy.loss(batch, run, lambda batch: loss) is loss
