"""CORAL: the term of a batch is the distance of the features of its rows and of those of the target, and training makes it smaller."""

from __future__ import annotations

import pytest
import torch

from training import tiny_fit
from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.data.unlabelled import batch_of, drawn
from tunesmith.model.domains import correlation_distance, covariance
from tunesmith.model.embed import embed
from tunesmith.strategies.coral import CORAL

TEXTS = ["a slow song by a woman", "the small cat in paris", "like a new song , very long", "was it the dog ?"]


def distance(run: Run, strategy: CORAL) -> float:
    """How far all training rows are from all rows of the target."""
    run.model.eval()
    rows = [batch_of([rows[i] for i in range(len(rows))], run) for rows in (run.train, strategy._target)]
    source, target = (covariance(embed(run.model, batch.inputs)) for batch in rows)
    return float((source - target).square().sum())


def test_the_term_is_the_distance_of_the_features() -> None:
    strategy = CORAL(TEXTS, strength=2.0)
    run = tiny_fit(None, [strategy], steps=1).run
    run.model.eval()
    batch = batch_of([run.train[i] for i in range(5)], run)
    plain = run.task.objective(batch, run.forward)
    loss = strategy.loss(batch, run, lambda batch: run.task.objective(batch, run.forward))
    other = batch_of(drawn(strategy._target, 5, run, "coral"), run)
    expected = 2.0 * correlation_distance(embed(run.model, batch.inputs), embed(run.model, other.inputs))
    assert float(expected) != 0
    torch.testing.assert_close(loss.mean, plain.mean + expected)


def test_training_brings_the_domains_together() -> None:
    distances = []
    for strength in (1e-9, 1e4):
        strategy = CORAL(TEXTS, strength)
        distances.append(distance(tiny_fit(None, [strategy], steps=15, learning_rate=1e-3, dropout=0.0).run, strategy))
    assert distances[1] < distances[0] / 2


def test_without_a_target_it_is_refused_and_strength_0_needs_none(run: Run, batch: Batch) -> None:
    with pytest.raises(InputError, match="there are no rows without labels"):
        tiny_fit(None, [CORAL()], steps=1)
    strategy, loss = CORAL(strength=0.0), Loss(torch.tensor(1.0), 1)
    strategy.begin(run)
    assert strategy.loss(batch, run, lambda batch: loss) is loss
