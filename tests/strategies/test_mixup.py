"""Mixup: the mixture's loss, words against a hand-made mixture, sentences, and single rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run, seed_of
from tunesmith.strategies.mixup import Mixup, mixed, together

Inner = Callable[[Batch], Loss]


def drawn(run: Run, alpha: float, size: int) -> tuple[float, Tensor]:
    draw = np.random.default_rng(seed_of(run.seed, "mixup", run.clock.step, run.micro))
    return float(draw.beta(alpha, alpha)), torch.from_numpy(draw.permutation(size))


def mixture(logits: Tensor, labels: Tensor, partner: Tensor, share: float) -> Tensor:
    """Equation 1 of the paper, with labels as vectors."""
    one_hot = F.one_hot(labels, logits.shape[1]).float()
    soft = share * one_hot + (1 - share) * one_hot[partner]
    return -(soft * F.log_softmax(logits, dim=1)).sum()


def test_words_are_mixed_as_in_the_paper(run: Run, batch: Batch, objective: Inner, above: Callable[[Tensor], Tensor]) -> None:
    share, partner = drawn(run, 1.0, 5)
    embedded = run.model.embeddings(batch.inputs["ids"])
    expected = mixture(above(mixed(embedded, partner, share)), batch.targets["labels"], partner, share)
    loss = Mixup(alpha=1.0).loss(batch, run, objective)
    torch.testing.assert_close(loss.sum, expected)
    assert loss.count == 5


def test_sentences_are_mixed_before_the_last_layer(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    share, partner = drawn(run, 1.0, 5)
    sentences: list[Tensor] = []
    hook = run.model.classifier.register_forward_pre_hook(lambda module, inputs: sentences.append(inputs[0]))
    loss = Mixup(alpha=1.0, level="sentences").loss(batch, run, objective)
    hook.remove()
    logits = run.model.classifier(mixed(sentences[0], partner, share))
    torch.testing.assert_close(loss.sum, mixture(logits, batch.targets["labels"], partner, share))


def test_weights_go_with_their_labels(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    weights = torch.tensor([1.0, 0.0, 2.0, 1.0, 0.5])

    def weighted(batch: Batch) -> Loss:
        loss = objective(batch)
        items = F.cross_entropy(loss.logits, loss.targets, reduction="none")
        return replace(loss, sum=(items * weights).sum(), weights=weights, count=4.5)

    share, partner = drawn(run, 1.0, 5)
    loss = Mixup(alpha=1.0, level="sentences").loss(batch, run, weighted)
    logits, labels = mixed(objective(batch).logits, partner, share), batch.targets["labels"]
    own, other = (F.cross_entropy(logits, wanted, reduction="none") for wanted in (labels, labels[partner]))
    torch.testing.assert_close(loss.sum, (share * weights * own + (1 - share) * weights[partner] * other).sum())


def test_a_pair_attends_to_what_either_has() -> None:
    mask = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0]])
    batch = Batch({"input_ids": torch.ones(3, 3), "attention_mask": mask}, {}, torch.arange(3), 6)
    both = together(batch, torch.tensor([2, 0, 1]))
    assert both.inputs["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 1]]
    assert batch.inputs["attention_mask"] is mask


def test_no_mixture_and_no_partner_leave_the_very_loss(run: Run, batch: Batch) -> None:
    loss = Loss(torch.tensor(1.0), 1)
    assert Mixup(alpha=0.0).loss(batch, run, lambda batch: loss) is loss
    single = Batch({"ids": torch.ones(1, 2).long()}, {}, torch.arange(1), 2)
    assert Mixup().loss(single, run, lambda batch: loss) is loss


def test_a_loss_of_tokens_is_refused(run: Run, batch: Batch) -> None:
    tokens = Loss(torch.tensor(1.0), 9, torch.zeros(9, 2), torch.zeros(9).long())
    with pytest.raises(InputError, match="mixup: the loss of this task is not one of rows"):
        Mixup(level="sentences").loss(batch, run, lambda batch: tokens)
