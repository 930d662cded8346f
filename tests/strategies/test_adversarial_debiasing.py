"""Adversarial debiasing: both gradients, what the adversary sees, and that it learns without being saved."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.core.param import Rule
from tunesmith.strategies.adversarial_debiasing import ADVERSARY, PACE, AdversarialDebiasing, group_loss
from tunesmith.tasks.text_classification import TextClassification


def test_the_adversary_gets_better_and_what_it_sees_worse() -> None:
    torch.manual_seed(0)
    adversary = nn.Linear(3, 2)
    seen, known, groups = torch.randn(4, 2, requires_grad=True), torch.tensor([[1.0], [0.0], [1.0], [1.0]]), torch.tensor([0, 1, -1, 1])
    rows = torch.tensor([0, 1, 3])
    loss = group_loss(adversary, seen, known, groups, 0.25)
    assert loss is not None
    plain = F.cross_entropy(adversary(torch.cat([seen, known], dim=1)[rows]), groups[rows])
    torch.testing.assert_close(loss, plain)
    for wanted, found, sign in (
        (
            torch.autograd.grad(plain, adversary.weight, retain_graph=True)[0],
            torch.autograd.grad(loss, adversary.weight, retain_graph=True)[0],
            1.0,
        ),
        (torch.autograd.grad(plain, seen)[0], torch.autograd.grad(loss, seen)[0], -0.25),
    ):
        torch.testing.assert_close(found, sign * wanted)
    assert group_loss(adversary, seen, known, torch.full((4,), -1), 0.25) is None


@pytest.mark.parametrize(("sees", "equal", "width"), [("answers", "demographic_parity", 2), ("features", "equalised_odds", 34)])
def test_the_adversary_learns_and_is_not_saved(sees: str, equal: str, width: int) -> None:
    strategy = AdversarialDebiasing(sees=sees, equal=equal)
    fitted = tiny_fit(None, [strategy], steps=2)
    assert strategy._adversary[0].in_features == width
    assert any(name.startswith(ADVERSARY) for name in fitted.run.touched)
    rates = {name: strategy.plan(param, Rule(rate=0.5), fitted.run.clock).rate for name, param in fitted.run.params.items()}
    assert {name for name, rate in rates.items() if rate != 0.5} == {name for name in rates if name.startswith(ADVERSARY)}
    assert {rate for rate in rates.values() if rate != 0.5} == {0.5 * PACE}
    assert not any(ADVERSARY in name for name in fitted.run.model.state_dict())


def test_numbers_are_refused() -> None:
    def numbers() -> tuple[TextClassification, list[dict[str, object]]]:
        return TextClassification(kind="regression"), [{"text": f"a film {i}", "label": i / 7} for i in range(8)]

    with pytest.raises(InputError, match="are no labels"):
        tiny_fit(None, [AdversarialDebiasing()], numbers, steps=1)
