"""PCGrad against gradients worked out by hand: conflicting, agreeing, and of parameters that are not shared."""

from __future__ import annotations

import pytest
import torch

from training import mixed_fit, same, tiny_fit, weights
from tunesmith.core.errors import InputError
from tunesmith.core.mixture import Mixture
from tunesmith.strategies.pcgrad import PCGrad, surgery
from tunesmith.tasks.text_classification import TextClassification

SHARED = frozenset({"w"})


def vectors(*values: list[float]) -> list[dict[str, torch.Tensor]]:
    return [{"w": torch.tensor(value)} for value in values]


def test_what_conflicts_is_projected_away() -> None:
    # g1.g2 = -1: g1' = (1, 0) + (-1, 1) / 2 = (0.5, 0.5); g2' = (-1, 1) + (1, 0) = (0, 1)
    one, other = surgery(vectors([1.0, 0.0], [-1.0, 1.0]), SHARED, [[0, 1], [0, 1]])
    assert one["w"].tolist() == [0.5, 0.5]
    assert other["w"].tolist() == [0.0, 1.0]


def test_what_agrees_stays() -> None:
    given = vectors([1.0, 0.0], [1.0, 1.0])
    found = surgery(given, SHARED, [[0, 1], [1, 0]])
    assert all(torch.equal(one["w"], other["w"]) for one, other in zip(found, given, strict=True))


def test_each_meets_the_others_as_they_were_in_its_own_order() -> None:
    given = vectors([1.0, 0.0], [-1.0, 1.0], [-1.0, -1.0])
    first, second = (surgery(given, SHARED, [order, [0, 1, 2], [0, 1, 2]])[0]["w"].tolist() for order in ([1, 2], [2, 1]))
    # (1, 0) -> (0.5, 0.5) by the second; by the third -1: + (-1, -1) / 2 = (0, 0). The other way round: (0.5, -0.5), then + (-1, 1) / 2
    assert first == [0.0, 0.0]
    assert second == [0.0, 0.0]
    assert surgery(given, SHARED, [[1], [], []])[0]["w"].tolist() == [0.5, 0.5]


def test_parameters_of_one_task_count_neither_way() -> None:
    given = [{"w": torch.tensor([1.0]), "head": torch.tensor([5.0])}, {"w": torch.tensor([-2.0]), "head": torch.tensor([7.0])}]
    one, other = surgery(given, SHARED, [[0, 1], [0, 1]])
    assert (one["w"].item(), other["w"].item()) == (0.0, 0.0)
    assert (one["head"].item(), other["head"].item()) == (5.0, 7.0)


def test_it_is_refused_with_one_kind_of_task() -> None:
    with pytest.raises(InputError, match="'pcgrad' needs several tasks, each in passes of its own, which task 'text_class"):
        tiny_fit_alone()


def tiny_fit_alone() -> None:
    from tunesmith.engine.stack import Stack

    Stack([PCGrad()], TextClassification())


def test_it_changes_training_and_does_nothing_to_a_mixture_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    free = weights(mixed_fit(None, dropout=0.0))
    assert not same(weights(tiny_fit(None, [PCGrad()], dropout=0.0)), free)
    strategy, said = PCGrad(), list[str]()
    fitted = mixed_fit(None, steps=1)
    fitted.run.task = Mixture({"texts": fitted.run.task.members["texts"]})  # type: ignore[attr-defined]
    fitted.run.say = said.append
    strategy.begin(fitted.run)
    loss = object()
    assert strategy.gradient([], fitted.run, lambda batches: loss) is loss  # type: ignore[arg-type, return-value]
    assert said == ["pcgrad: there is one task, with whose gradient none can conflict: nothing is done"]
