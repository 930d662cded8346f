"""Class-balanced weights against the authors' code, how classes are counted, and what is reweighted."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.strategies.class_balanced import ClassBalanced, class_counts, class_weights, reweighted

Inner = Callable[[Batch], Loss]

LABELS = [0, 0, 0, 0, 1, 1, 2]


def trained_on(run: Run, labels: torch.Tensor | None) -> None:
    """Let the run train on items with these labels."""

    def collate(items: list[dict[str, int]], tokenizer: object) -> SimpleNamespace:
        return SimpleNamespace(targets={} if labels is None else {"labels": labels[[item["row"] for item in items]]})

    run.train = [{"row": row} for row in range(7 if labels is None else len(labels))]
    run.task.collate = collate


def authors(counts: list[int], beta: float) -> np.ndarray:
    """``class_balanced_loss.py`` of github.com/vandit15/Class-balanced-loss-pytorch, which is linked by the paper."""
    effective_num = 1.0 - np.power(beta, counts)
    weights = (1.0 - beta) / np.array(effective_num)
    return weights / np.sum(weights) * len(counts)


@pytest.mark.parametrize("beta", [0.9, 0.99, 0.9999])
def test_weights_are_those_of_the_authors_up_to_scale(beta: float) -> None:
    counts = [500, 30, 4]
    ours, theirs = class_weights(torch.tensor(counts), beta).numpy(), authors(counts, beta)
    np.testing.assert_allclose(ours / ours[0], theirs / theirs[0], rtol=1e-5)
    assert float((ours * counts).sum() / sum(counts)) == pytest.approx(1)


def test_near_1_they_are_inverse_frequencies_and_a_class_of_none_is_no_error() -> None:
    weights = class_weights(torch.tensor([100, 10, 0]), 0.999999)
    assert float(weights[1] / weights[0]) == pytest.approx(10, rel=1e-3)
    assert weights.isfinite().all()


def test_classes_are_counted_over_all_items_and_labels_that_do_not_count_are_left_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.strategies.class_balanced.CHUNK", 3)
    trained_on(run, torch.tensor(LABELS))
    assert class_counts(run, 4, "classes").tolist() == [4, 2, 1, 0]
    trained_on(run, torch.tensor([[0, -100], [1, 1], [2, -100]]))
    assert class_counts(run, 3, "classes").tolist() == [1, 2, 1]
    trained_on(run, torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0]]))
    assert class_counts(run, 2, "labels").tolist() == [3, 1]


def test_the_loss_is_the_weighted_cross_entropy_of_torch(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    trained_on(run, torch.tensor([*LABELS, 3]))
    strategy = ClassBalanced(0.9)
    strategy.begin(run)
    loss, plain = strategy.loss(batch, run, objective), objective(batch)
    weights = class_weights(torch.tensor([4, 2, 1, 1]), 0.9)
    torch.testing.assert_close(loss.mean, F.cross_entropy(plain.logits, plain.targets, weights))
    assert loss.count == pytest.approx(float(loss.weights.sum()))


def test_weights_multiply_those_that_items_have(run: Run) -> None:
    logits, targets, own = torch.randn(3, 2), torch.tensor([0, 1, 1]), torch.tensor([1.0, 2.0, 0.5])
    nll = F.cross_entropy(logits, targets, reduction="none")
    loss = reweighted(Loss((nll * own).sum(), 3.5, logits, targets, own), logits, targets, torch.tensor([3.0, 0.5]))
    both = own * torch.tensor([3.0, 0.5, 0.5])
    torch.testing.assert_close(loss.mean, (nll * both).sum() / both.sum())


def test_penalties_of_others_stay_as_they_are_in_the_mean(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    weights = torch.tensor([3.0, 0.5, 1.0, 1.0])
    means = []
    for penalty in (0.0, 2.0):
        loss = objective(batch).penalty("other", torch.tensor(penalty))
        means.append(reweighted(loss, loss.logits, loss.targets, weights).mean)
    torch.testing.assert_close(means[1] - means[0], torch.tensor(2.0))


def test_of_several_labels_each_has_its_own_weight() -> None:
    logits, targets, weights = torch.randn(6, 3), torch.randint(0, 2, (6, 3)).float(), torch.tensor([2.0, 0.5, 1.0])
    plain = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1).sum()
    loss = reweighted(Loss(plain, 6, logits, targets), logits, targets, weights)
    torch.testing.assert_close(loss.mean, F.binary_cross_entropy_with_logits(logits, targets, weights))
    assert loss.count == 6


def test_a_task_without_classes_is_refused(run: Run) -> None:
    trained_on(run, None)
    with pytest.raises(InputError, match="no classes"):
        class_counts(run, 2, "classes")
    trained_on(run, torch.randn(7))
    with pytest.raises(InputError, match="no classes"):
        class_counts(run, 1, "numbers")


def test_beta_0_returns_the_very_loss(run: Run) -> None:
    strategy, loss = ClassBalanced(0.0), Loss(torch.tensor(1.0), 1)
    strategy.begin(run)
    assert strategy.loss(None, run, lambda batch: loss) is loss
