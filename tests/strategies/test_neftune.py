"""NEFTune against the hook of transformers, and what padding gets."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from transformers.integrations.neftune import neftune_post_forward_hook

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.strategies.neftune import NEFTune, noisy

Inner = Callable[[Batch], Loss]


def test_texts_of_one_length_get_the_noise_that_transformers_gives() -> None:
    embedded = torch.randn(3, 7, 16)
    torch.manual_seed(4)
    ours = noisy(embedded, torch.ones(3, 7, 1), 5.0)
    torch.manual_seed(4)
    theirs = neftune_post_forward_hook(SimpleNamespace(training=True, neftune_noise_alpha=torch.tensor(5.0)), None, embedded)
    torch.testing.assert_close(ours, theirs)


def test_padding_is_neither_changed_nor_counted() -> None:
    embedded = torch.zeros(2, 8, 16)
    real = torch.tensor([[1.0] * 8, [1.0] * 2 + [0.0] * 6])[..., None]
    noise = noisy(embedded, real, 5.0)
    assert not noise[1, 2:].any()
    largest = 5 / (2 * 16) ** 0.5
    assert 0.9 * largest < float(noise[1].abs().max()) <= largest


def test_only_the_embeddings_of_this_pass_change(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    strategy = NEFTune(50.0)
    strategy.begin(run)
    plain = objective(batch).sum
    assert not torch.equal(strategy.loss(batch, run, objective).sum, plain)
    assert torch.equal(objective(batch).sum, plain)


def test_alpha_0_is_the_plain_pass(run: Run, batch: Batch) -> None:
    loss = Loss(torch.tensor(1.0), 1)
    assert NEFTune(0.0).loss(batch, run, lambda batch: loss) is loss


def test_it_says_that_lower_layers_cannot_be_kept() -> None:
    assert NEFTune.perturbs


@pytest.mark.parametrize("alpha", [5.0, 10.0])
def test_the_size_grows_with_alpha(alpha: float) -> None:
    noise = noisy(torch.zeros(1, 10, 10), torch.ones(1, 10, 1), alpha)
    assert float(noise.square().mean()) == pytest.approx(alpha**2 / 100 / 3, rel=0.5)
