"""Other weights for a while: gradients pass through them, tied ones follow, and one's own are back to the bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tiny
from tunesmith.model.substitute import frozen_copy, substituted, swapped


def snapshot(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_it_computes_as_torchs_functional_call_does() -> None:
    model, ids = tiny.bert().eval(), torch.randint(5, 40, (2, 6))
    instead = {name: w.detach() + 0.1 for name, w in model.named_parameters() if "query" in name or "embeddings" in name}
    before = snapshot(model)
    with torch.no_grad(), substituted(model, instead):
        ours = model(ids).logits
    torch.testing.assert_close(ours, torch.func.functional_call(model, instead, (ids,)).logits)
    assert equal(snapshot(model), before)
    assert not torch.equal(ours, model(ids).logits)


def test_gradients_pass_through_what_was_put_in() -> None:
    layer = nn.Linear(3, 2)
    with substituted(layer, {"weight": layer.weight * 2}):
        layer(torch.ones(1, 3)).sum().backward()
    assert layer.weight.grad.tolist() == [[2.0] * 3] * 2


def test_graphs_that_were_made_before_stay_valid() -> None:
    layer = nn.Linear(3, 2)
    x = torch.ones(1, 3, requires_grad=True)
    first = layer(x).sum()
    with torch.no_grad(), substituted(layer, {"weight": torch.zeros(2, 3)}):
        layer(x)
    first.backward()
    torch.testing.assert_close(x.grad[0], layer.weight.sum(dim=0))


def test_tied_weights_are_replaced_in_all_their_places() -> None:
    model = nn.ModuleDict({"one": nn.Embedding(4, 3), "other": nn.Linear(3, 4, bias=False)})
    model["other"].weight = model["one"].weight
    with substituted(model, {"one.weight": torch.zeros(4, 3)}):
        assert not model["other"](torch.ones(3)).any()
    assert model["other"](torch.ones(3)).any()


def test_one_may_be_put_in_the_place_of_another() -> None:
    layer = nn.Linear(1, 1, bias=False)
    with substituted(layer, {"weight": torch.tensor([[2.0]])}):
        with substituted(layer, {"weight": torch.tensor([[3.0]])}):
            assert float(layer(torch.ones(1))) == 3
        assert float(layer(torch.ones(1))) == 2
    assert torch.equal(layer(torch.ones(1)), layer.weight[0])


def test_swapped_weights_come_back_after_a_failure_too() -> None:
    model = tiny.bert()
    before = snapshot(model)

    def failing() -> None:
        with swapped(model, {"classifier.bias": torch.ones(2)}):
            assert model.classifier.bias.tolist() == [1.0, 1.0]
            assert dict(model.named_parameters())["classifier.bias"].tolist() == [1.0, 1.0]
            raise RuntimeError("scoring failed")

    with pytest.raises(RuntimeError, match="scoring"):
        failing()
    assert equal(snapshot(model), before)


def test_a_frozen_copy_shares_what_never_changes_and_follows_nothing() -> None:
    model = tiny.bert()
    copied = frozen_copy(model, {"bert.embeddings.word_embeddings.weight"})
    assert copied.get_input_embeddings().weight is model.get_input_embeddings().weight
    assert model.get_input_embeddings().weight.requires_grad
    assert not copied.training
    assert model.training
    with torch.no_grad():
        model.classifier.bias.add_(1.0)
    assert not copied.classifier.bias.any()
    assert not copied.classifier.bias.requires_grad
