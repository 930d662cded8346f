"""Learning without forgetting: the gradient of the paper's cross-entropy, the labels of the past alone, and first stages."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.strategy import Past
from tunesmith.strategies.lwf import LwF, kept

CLASSES = torch.tensor([0, 1, 2])


def test_the_gradient_is_that_of_equation_2() -> None:
    before, now = torch.randn(3, 4), torch.randn(3, 4, requires_grad=True)
    recorded = F.softmax(before / 2, dim=1)  # y' of equation 3: probabilities to the power of 1/T, brought to 1
    powered = F.softmax(before, dim=1) ** 0.5
    torch.testing.assert_close(recorded, powered / powered.sum(dim=1, keepdim=True))
    paper = -(recorded * F.log_softmax(now / 2, dim=1)).sum()
    expected, found = (torch.autograd.grad(loss, now)[0] for loss in (paper, kept(before, now, CLASSES, 2.0, []).sum()))
    torch.testing.assert_close(found, expected)


def test_of_classes_those_of_the_past_alone_are_kept() -> None:
    before, now = torch.randn(3, 4), torch.randn(3, 4)
    found = kept(before, now, CLASSES, 2.0, [0, 2])
    torch.testing.assert_close(found, kept(before[:, [0, 2]], now[:, [0, 2]], CLASSES, 2.0, []))
    now[:, 3] += 100  # a label that is new may rise
    torch.testing.assert_close(kept(before, now, CLASSES, 2.0, [0, 2]), found)


def test_the_model_before_is_asked_about_the_new_rows(run: Run, batch: Batch, objective: Callable[[Batch], Loss]) -> None:
    run.model.eval()
    before = objective(batch).logits.detach()
    strategy = LwF(strength=0.5)
    strategy.inherit(Past([[{"text": "a", "label": 0}, {"text": "b", "label": 3}]]))
    strategy.begin(run)
    with torch.no_grad():
        run.model.classifier.weight.add_(torch.randn_like(run.model.classifier.weight))
    plain = objective(batch)
    found = strategy.loss(batch, run, lambda _: plain)
    term = 0.5 * kept(before, plain.logits, plain.targets, 2.0, [0, 3]).sum()
    torch.testing.assert_close(found.sum, plain.sum + term)


def test_in_the_first_stage_there_is_nothing_to_keep(run: Run, batch: Batch, said: list[str]) -> None:
    strategy, loss = LwF(), Loss(torch.tensor(1.0), 1)
    strategy.inherit(Past())
    strategy.begin(run)
    assert strategy.loss(batch, run, lambda _: loss) is loss
    assert "first stage" in said[0]
