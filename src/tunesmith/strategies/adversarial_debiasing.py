"""Adversarial debiasing: answers from which nobody can tell the group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.label_task import LabelTask
from tunesmith.core.loss import Loss
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.data.groups import by_example, of_batch
from tunesmith.model.body import body, recorded
from tunesmith.model.domains import annealed, check_features, classifier_beside, pooled, reversed_gradient
from tunesmith.model.weighting import check_rows

ADVERSARY = "group_classifier"  # the name under which it hangs below the model
PACE = 10.0  # multiple of the learning rate with which it learns, so that it keeps up with the model


@dataclass
class AdversarialDebiasing(Strategy):
    """Trains a classifier to tell the group of a row from what the model answers, and the model so that it cannot.

    Formula: L + CE(a(R(s)), g), a the classifier, s the logits of a row (or its mean hidden states), g its group by the column
    data.columns: {group: COLUMN}; R is the identity, whose gradient is times -strength * (2 / (1 + exp(-10 p)) - 1) at the share p of the
    run. Against equalised_odds a sees the true label too.
    Use when: the audit shows a gap between groups, and rows are enough for a second classifier; fairness has less to tune.
    Cost: memory x1, time x1; the classifier is not shipped.
    Source: Zhang, Lemoine and Mitchell 2018, "Mitigating Unwanted Biases with Adversarial Learning", sections 3 and 4; by reversed
    gradients: Elazar and Goldberg 2018, "Adversarial Removal of Demographic Attributes from Text Data", section 3.
    Differs: the part of the gradient along that of the classifier is not projected out; the classifier has one hidden layer and ten times
    the rate of the model, so that it keeps up; its weight grows by the schedule of domain-adversarial training.
    """

    strength: float = setting(1.0, "alpha, how much of the reversed gradient passes in the end; 0 is none", low=0)
    sees: str = setting("answers", "what the classifier sees: the answers, or the features below the head", choices=("answers", "features"))
    equal: str = setting(
        "equalised_odds",
        "what is to be alike: answers among rows of the same label, or among all",
        choices=("demographic_parity", "equalised_odds"),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})

    def begin(self, run: Run) -> None:
        self._groups: Tensor | None = None
        if not self.strength or not run.train:
            return
        if not isinstance(run.task, LabelTask) or run.task.kind == "regression":
            message = "adversarial_debiasing: the answers of this task are no labels"
            raise InputError(Problem(message, "Take adversarial_debiasing out of strategies"))
        self._groups = by_example(run, "adversarial_debiasing")
        config: Any = run.model.config
        labels = len(run.task.labels)
        if self.sees == "features":
            check_features(run.model, "adversarial_debiasing")
        width = labels if self.sees == "answers" else config.get_text_config().hidden_size
        width += labels if self.equal == "equalised_odds" else 0
        self._adversary = classifier_beside(run, ADVERSARY, width, int(self._groups.max()) + 1)

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        return replace(rule, rate=rule.rate * PACE) if param.name.startswith(f"{ADVERSARY}.") else rule

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        if self._groups is None:
            return inner(batch)
        inside = body(run.model)
        if self.sees == "features" and inside is not None:
            with recorded(inside) as outputs:
                loss = inner(batch)
            seen = pooled(inside, outputs[0], batch.inputs)
        else:
            loss = inner(batch)
        logits, targets = check_rows(loss, len(batch), "adversarial_debiasing")
        seen = seen if self.sees == "features" else logits.float()
        truth = (targets if targets.dim() == 2 else F.one_hot(targets, logits.shape[1])).to(seen)
        known = truth if self.equal == "equalised_odds" else truth[:, :0]
        strength = self.strength * annealed(run.clock.progress)
        term = group_loss(self._adversary, seen, known, of_batch(self._groups, batch), strength)
        return loss if term is None else loss.penalty("adversarial_debiasing", term)


def group_loss(adversary: nn.Module, seen: Tensor, known: Tensor, groups: Tensor, strength: float) -> Tensor | None:
    """How badly ``adversary`` tells ``groups`` (rows,) from what it has ``seen`` (rows, width) and ``known`` (rows, more): a scalar.

    Its gradient makes the adversary better, and ``seen`` worse to judge by ``strength``. Rows of a group below 0 are passed over; None
    where all are.
    """
    rows = groups >= 0
    if not rows.any():
        return None
    judged = adversary(torch.cat([reversed_gradient(seen[rows], strength), known[rows]], dim=1))
    return F.cross_entropy(judged, groups[rows])
