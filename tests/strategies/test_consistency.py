"""Consistency: UDA's and FixMatch's terms, who is sure enough, and a term that following it lowers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from training import tiny_fit
from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.data.unlabelled import batch_of
from tunesmith.strategies.consistency import Consistency, inconsistency

PLAIN = torch.tensor([[3.0, 0.0, 0.0], [0.2, 0.1, 0.0], [0.0, 4.0, 0.0]])
CHANGED = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
CLASSES = torch.zeros(3).long()


def test_soft_labels_are_sharpened_as_in_uda() -> None:
    p, q = (PLAIN / 0.5).softmax(dim=1), CHANGED.log_softmax(dim=1)
    items = (p * (p.log() - q)).sum(dim=1)
    torch.testing.assert_close(inconsistency(PLAIN, CHANGED, CLASSES, 0.8, 0.5), (items[0] + items[2]) / 3)


def test_temperature_0_takes_the_likeliest_class_as_fixmatch_does() -> None:
    items = F.cross_entropy(CHANGED, torch.tensor([0, 0, 1]), reduction="none")
    torch.testing.assert_close(inconsistency(PLAIN, CHANGED, CLASSES, 0.95, 0.0), items[2] / 3)
    torch.testing.assert_close(inconsistency(PLAIN, CHANGED, CLASSES, 0.0, 0.0), items.mean())


def test_every_one_of_several_labels_must_be_sure() -> None:
    plain, changed, targets = torch.tensor([[4.0, -4.0], [4.0, 0.0]]), torch.zeros(2, 2), torch.zeros(2, 2)
    found = inconsistency(plain, changed, targets, 0.9, 0.0)
    torch.testing.assert_close(found, torch.tensor(2.0).log() / 2)  # row 0: from sure to even, log 2 of each label
    torch.testing.assert_close(inconsistency(plain[:, :1], changed[:, :1], torch.zeros(2), 1.0, 0.4), torch.tensor(16.0))


def test_no_gradient_goes_through_the_plain_view() -> None:
    strategy = Consistency(["a good film", "was it the dog ?"], threshold=0.0, strength=2.0, ratio=2.0)
    run = tiny_fit(None, [strategy], steps=1).run
    batch = batch_of([run.train[i] for i in range(3)], run)
    torch.manual_seed(0)
    loss = strategy.loss(batch, run, lambda batch: run.task.objective(batch, run.forward))
    assert loss.parts["consistency"] > 0
    assert loss.count == 3


def test_following_the_term_makes_predictions_agree() -> None:
    texts = ["a slow song by a woman", "the small cat in paris", "like a new song , very long"]
    strategy = Consistency(texts, threshold=0.0, temperature=1.0, alpha=0.4)
    run = tiny_fit(None, [strategy], steps=30, learning_rate=5e-3, dropout=0.0, precision="float32").run  # until words count
    run.model.eval()
    batch = batch_of([run.train[i] for i in range(8)], run)

    def alone(batch: Batch) -> Loss:
        """The loss of the labels counts nothing, so that the term is all of it."""
        loss = run.task.objective(batch, run.forward)
        return replace(loss, sum=loss.sum * 0)

    weights = list(run.learning().values())
    optimizer, terms = torch.optim.SGD(weights, lr=0.05), []
    for _ in range(20):
        optimizer.zero_grad()
        loss = strategy.loss(batch, run, alone)
        loss.sum.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        terms.append(float(loss.mean.detach()))
    assert terms[0] > 1e-4  # rounding is a thousandth of that
    assert terms[-1] < terms[0] / 2


def test_it_says_when_the_model_was_never_sure_enough(tmp_path: Path) -> None:
    for name, threshold in (("sure", 0.0), ("never", 1.0)):
        tiny_fit(tmp_path / name, [Consistency(["a good film"], threshold=threshold)], steps=2)
        assert ("consistency: NOTHING IS LEARNED" in (tmp_path / name / "events.jsonl").read_text()) == (name == "never")


def test_without_rows_it_is_refused() -> None:
    with pytest.raises(InputError, match=r"consistency: there are no rows.*\{unlabelled: FILE\}"):
        tiny_fit(None, [Consistency()], steps=1)
