"""The arithmetic of losses that travel as (sum, count)."""

from __future__ import annotations

import pytest
import torch

from tunesmith.core.loss import Loss, added, average


def test_the_mean_is_over_what_counts() -> None:
    assert Loss(torch.tensor(6.0), 4).mean.item() == 1.5


def test_what_is_added_is_a_sum_and_is_named() -> None:
    loss = Loss(torch.tensor(6.0), 3).plus("smooth", torch.tensor(3.0))
    assert (loss.sum.item(), loss.count) == (9.0, 3)
    assert loss.parts["smooth"].item() == 3.0


def test_a_penalty_is_added_to_the_mean() -> None:
    loss = Loss(torch.tensor(6.0), 3).penalty("l2sp", torch.tensor(0.5))
    assert loss.mean.item() == 2.5
    assert loss.parts["l2sp"].item() == 1.5


def test_the_same_name_twice_is_added_up() -> None:
    loss = Loss(torch.tensor(1.0), 1).plus("a", torch.tensor(2.0)).plus("b", torch.tensor(4.0)).plus("a", torch.tensor(8.0))
    assert {name: part.item() for name, part in loss.parts.items()} == {"a": 10.0, "b": 4.0}
    assert loss.sum.item() == 15.0


def test_gradients_flow_through_the_sum_and_not_through_the_parts() -> None:
    weight = torch.tensor(2.0, requires_grad=True)
    loss = Loss(weight * 3, 2).penalty("square", weight**2)
    loss.mean.backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert weight.grad.item() == 1.5 + 4.0
    assert not loss.parts["square"].requires_grad


def test_adding_leaves_the_loss_as_it_was_and_keeps_its_other_fields() -> None:
    first = Loss(torch.tensor(1.0), 2, logits=torch.zeros(2, 3), targets=torch.tensor([0, 1]), weights=torch.ones(2))
    second = first.plus("a", torch.tensor(1.0))
    assert first.parts == {}
    assert first.sum.item() == 1.0
    assert (second.logits, second.targets, second.weights) == (first.logits, first.targets, first.weights)


def test_sums_and_counts_of_ragged_pieces_make_the_mean_of_the_whole_and_means_of_means_do_not() -> None:
    losses = torch.tensor([1.0, 2.0, 3.0, 10.0])
    pieces = [Loss(part.sum(), len(part)) for part in (losses[:3], losses[3:])]
    together = sum(piece.sum.item() for piece in pieces) / sum(piece.count for piece in pieces)
    assert together == pytest.approx(losses.mean().item())
    assert sum(piece.mean.item() for piece in pieces) / 2 != pytest.approx(losses.mean().item())


def test_the_average_of_passes_has_the_mean_of_every_part() -> None:
    weight = torch.tensor(2.0, requires_grad=True)
    passes = [Loss(weight * factor, 4, logits=torch.full((2, 3), factor)).plus("a", torch.tensor(factor)) for factor in (1.0, 2.0, 6.0)]
    mean = average(passes)
    assert (mean.sum.item(), mean.count, mean.parts["a"].item()) == (9.0, 4, 3.0)
    assert mean.logits is passes[0].logits
    assert torch.autograd.grad(mean.sum, weight)[0].item() == 3.0


def test_losses_of_different_items_are_added_up() -> None:
    one = Loss(torch.tensor(6.0), 3.0, torch.zeros(3, 2), parts={"a": torch.tensor(6.0), "l2": torch.tensor(1.0)})
    other = Loss(torch.tensor(2.0), 1.0, parts={"b": torch.tensor(2.0), "l2": torch.tensor(0.5)})
    both = added([one, other])
    assert (float(both.sum), both.count, float(both.mean), both.logits) == (8.0, 4.0, 2.0, None)
    assert {name: float(part) for name, part in both.parts.items()} == {"a": 6.0, "b": 2.0, "l2": 1.5}
