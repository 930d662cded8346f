"""Domain-adversarial training: features from which nobody can tell the domain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.data.encode import Encoded
from tunesmith.data.unlabelled import batch_of, drawn, unlabelled
from tunesmith.model.domains import annealed, both, check_features, classifier_beside, reversed_gradient

CLASSIFIER = "domain_classifier"  # the name under which it hangs below the model


@dataclass
class DomainAdversarial(Strategy):
    """Trains a classifier to tell the training rows from rows of another domain, and the features so that it cannot.

    Formula: L + BCE(d(R(h))), d the classifier of the mean hidden states h of both domains; R is the identity, whose gradient is times
    -strength * (2 / (1 + exp(-10 p)) - 1) at the share p of the run.
    Use when: labels are of one domain, the model is for another, of which there are rows without labels; some hundred steps at least.
    Cost: memory x2, time x2: as many rows of the target go through the model; the classifier is not shipped.
    Source: Ganin et al. 2016, "Domain-Adversarial Training of Neural Networks", equations 9 to 18, and section 5.2.2 for the schedule.
    Differs: the learning rate is the recipe's own; the classifier has one hidden layer, as wide as the features. A tenth of the gradient
    passes in the end and not all of it, which ruins features that were pre-trained (benchmarks/README.md, Across domains).
    """

    target: Any = setting("", "rows of the other domain, labels unread: a file (from the working folder), a sample, a hub id or texts")
    strength: float = setting(0.1, "lambda, how much of the reversed gradient passes in the end; 0 is none", low=0)

    all_tokens: ClassVar[bool] = True

    @classmethod
    def example(cls) -> DomainAdversarial:
        return cls(target=["a slow song by a woman", "the small cat in paris", "like a new song , very long", "was it the dog ?"])

    def begin(self, run: Run) -> None:
        self._target: Encoded | None = None
        if not self.strength:
            return
        check_features(run.model, "domain_adversarial")
        self._target = unlabelled(self.target, run, "domain_adversarial", "target")
        config: Any = run.model.config
        self._classifier = classifier_beside(run, CLASSIFIER, config.get_text_config().hidden_size, 1)

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        if self._target is None:
            return inner(batch)
        other = batch_of(drawn(self._target, len(batch), run, "domain_adversarial"), run)
        loss, source, target = both(batch, other, run, inner)
        term = domain_loss(self._classifier, source, target, self.strength * annealed(run.clock.progress))
        return loss.penalty("domain_adversarial", term)


def domain_loss(judge: nn.Module, source: Tensor, target: Tensor, strength: float) -> Tensor:
    """How badly ``judge`` tells features of the source (rows, hidden) from those of the target: a scalar.

    Its gradient makes the judge better, and the features worse to judge by ``strength``.
    """
    judged = judge(reversed_gradient(torch.cat([source, target]), strength))[:, 0]
    truth = torch.cat([judged.new_zeros(len(source)), judged.new_ones(len(target))])
    return F.binary_cross_entropy_with_logits(judged, truth)
