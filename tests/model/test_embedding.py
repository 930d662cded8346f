"""The gradient of a table that is added up in place is the one of torch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tunesmith.model import embedding
from tunesmith.model.embedding import Embedding, replace_embeddings


def tables(padding: int | None) -> tuple[nn.Embedding, Embedding]:
    torch.manual_seed(0)
    plain, ours = nn.Embedding(20, 4, padding_idx=padding), nn.Embedding(20, 4, padding_idx=padding)
    ours.load_state_dict(plain.state_dict())
    ours.__class__ = Embedding
    assert isinstance(ours, Embedding)
    return plain, ours


def gradient(table: nn.Embedding, ids: Tensor, times: int = 1) -> Tensor:
    for _ in range(times):
        (table(ids) * torch.arange(4.0)).square().sum().backward()
    assert table.weight.grad is not None
    return table.weight.grad


@pytest.mark.parametrize("padding", [None, 0])
@pytest.mark.parametrize("times", [1, 3])
def test_the_gradient_is_that_of_torch(padding: int | None, times: int) -> None:
    plain, ours = tables(padding)
    ids = torch.tensor([[0, 3, 3], [5, 0, 19]])
    torch.testing.assert_close(gradient(ours, ids, times), gradient(plain, ids, times))
    assert ours(ids).equal(plain(ids))


def test_a_tied_matrix_adds_to_the_same_gradient() -> None:
    plain, ours = tables(None)
    ids = torch.tensor([[1, 2, 2]])
    for table in (plain, ours):
        (table(ids) @ table.weight.T).square().sum().backward()
    assert plain.weight.grad is not None
    assert ours.weight.grad is not None
    torch.testing.assert_close(ours.weight.grad, plain.weight.grad)


def test_a_frozen_table_gets_none() -> None:
    _, ours = tables(None)
    ours.weight.requires_grad_(False)
    assert not ours(torch.tensor([1])).requires_grad
    ours.weight.requires_grad_(True)
    with torch.no_grad():
        assert not ours(torch.tensor([1])).requires_grad


def test_large_plain_tables_are_replaced_and_keep_their_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "LARGE", 50)
    model = nn.Sequential(nn.Embedding(20, 4), nn.Embedding(5, 4), nn.Embedding(20, 4, max_norm=1.0))
    before = list(model.parameters())
    assert replace_embeddings(model) == 1
    assert [type(part) for part in model] == [Embedding, nn.Embedding, nn.Embedding]
    assert all(one is other for one, other in zip(before, model.parameters(), strict=True))
