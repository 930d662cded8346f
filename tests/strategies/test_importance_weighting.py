"""Importance weighting: weights follow a known density ratio, and the loss follows the weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.data.unlabelled import batch_of
from tunesmith.model.weighting import row_weighted
from tunesmith.strategies.importance_weighting import ImportanceWeighting, importance


def test_weights_follow_the_ratio_of_two_normal_distributions() -> None:
    """N(1, 1) over N(0, 1) is exp(x - 1/2); the classifier of them is a logistic regression."""
    draw = np.random.default_rng(0)
    source, target = draw.normal(0, 1, (4000, 1)), draw.normal(1, 1, (2000, 1))
    weights = importance(source, target, 1.0, 1e9, seed=0)
    slope, _ = np.polyfit(source[:, 0], np.log(weights), 1)
    assert slope == pytest.approx(1, abs=0.2)  # a little less, since the classifier is held back
    assert weights.mean() == pytest.approx(1)


def test_weights_are_flattened_and_cut() -> None:
    draw = np.random.default_rng(0)
    source, target = draw.normal(0, 1, (500, 2)), draw.normal(1, 1, (500, 2))
    plain, flat, cut = (importance(source, target, *how, seed=0) for how in ((1.0, 1e9), (0.5, 1e9), (1.0, 2.0)))
    np.testing.assert_allclose(flat, np.sqrt(plain) / np.sqrt(plain).mean())
    assert cut.max() / cut.min() < plain.max() / plain.min()
    np.testing.assert_allclose(importance(source, target, 0.0, 1e9, seed=0), 1)


def test_the_loss_is_weighted_by_row_and_rows_from_elsewhere_count_once() -> None:
    strategy = ImportanceWeighting.example()
    run = tiny_fit(None, [strategy], steps=1).run
    run.model.eval()
    weights = strategy._weights
    assert weights is not None
    assert len(weights) == len(run.train)
    assert float(weights.mean()) == pytest.approx(1, abs=1e-5)
    batch = replace(batch_of([run.train[i] for i in (3, 1, 2, 0)], run), rows=torch.tensor([3, 1, -5, len(run.train) + 2]))
    plain = run.task.objective(batch, run.forward)
    found = strategy.loss(batch, run, lambda batch: plain)
    expected = row_weighted(plain, torch.stack([weights[3], weights[1], torch.tensor(1.0), torch.tensor(1.0)]), "x")
    torch.testing.assert_close(found.mean, expected.mean)


def test_a_target_of_one_row_is_refused_and_of_two_is_not() -> None:
    with pytest.raises(InputError, match="one row of a domain does not tell what is likely in it"):
        tiny_fit(None, [ImportanceWeighting(["a good film"])], steps=1)
    tiny_fit(None, [ImportanceWeighting(["a good film", "a cat"])], steps=1)


def test_without_a_target_it_is_refused() -> None:
    with pytest.raises(InputError, match="there are no rows without labels"):
        tiny_fit(None, [ImportanceWeighting()], steps=1)
