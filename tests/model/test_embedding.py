"""Tables of which a part learns: what is used learns as by torch, what is not stays, and the gradient is added up in place."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

import tiny
from tunesmith.model import embedding
from tunesmith.model.embedding import Embedding, learn_rows

IDS = torch.tensor([[0, 3, 3], [5, 0, 19]])
USED = torch.tensor([0, 3, 5, 7, 19])


def tables(padding: int | None = None) -> tuple[nn.Embedding, Embedding]:
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


@pytest.mark.parametrize("padding", [None, 0, 1])
@pytest.mark.parametrize("times", [1, 3])
def test_the_gradient_is_that_of_torch(padding: int | None, times: int) -> None:
    plain, ours = tables(padding)
    expected = gradient(plain, IDS, times)
    torch.testing.assert_close(gradient(ours, IDS, times), expected)
    ours.weight.grad = None
    ours.use(USED)
    torch.testing.assert_close(gradient(ours, IDS, times), expected[USED])


def test_what_is_used_learns_and_the_rest_stays() -> None:
    plain, ours = tables()
    ours.use(USED)
    optimizers = [torch.optim.AdamW(table.parameters(), 0.1, weight_decay=0.0) for table in (plain, ours)]
    for _ in range(3):
        for table, optimizer in zip((plain, ours), optimizers, strict=True):
            optimizer.zero_grad()
            gradient(table, IDS)
            optimizer.step()
    assert ours.weight.shape == (5, 4)
    everything = torch.arange(20)
    torch.testing.assert_close(ours(everything), plain(everything))
    ours.whole()
    torch.testing.assert_close(ours.weight, plain.weight)
    torch.testing.assert_close(ours(everything), plain(everything))


def test_tokens_that_were_not_foreseen_are_looked_up_and_do_not_learn() -> None:
    plain, ours = tables()
    ours.use(USED)
    beyond = torch.tensor([[3, 4]])
    assert ours(beyond).equal(plain(beyond))
    torch.testing.assert_close(gradient(ours, beyond)[1], gradient(plain, beyond)[3])
    assert int(gradient(ours, beyond).ne(0).any(dim=1).sum()) == 1


def test_a_tied_matrix_adds_to_the_same_gradient() -> None:
    plain, ours = tables()
    ids = torch.tensor([[1, 2, 2]])
    for table in (plain, ours):
        (table(ids) @ table.weight.T).square().sum().backward()
    assert plain.weight.grad is not None
    assert ours.weight.grad is not None
    torch.testing.assert_close(ours.weight.grad, plain.weight.grad)


def test_a_frozen_table_gets_none() -> None:
    _, ours = tables()
    ours.weight.requires_grad_(False)
    assert not ours(torch.tensor([1])).requires_grad
    ours.weight.requires_grad_(True)
    with torch.no_grad():
        assert not ours(torch.tensor([1])).requires_grad


def test_a_large_table_that_learns_is_taken_and_a_tied_one_keeps_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "LARGE", 1000)
    used = torch.tensor([0, 2, 3, 9])
    bert, tied = tiny.bert(), AutoModelForCausalLM.from_config(tiny.configs["llama"]())
    part = learn_rows(bert, dict(bert.named_parameters()), used)
    assert part is bert.get_input_embeddings()
    assert part.weight.shape == (4, 32)
    assert bert.bert.embeddings.position_embeddings.weight.shape[0] == 72
    assert learn_rows(tiny.bert(), (), used) is None
    assert type(learn_rows(tied, dict(tied.named_parameters()), used)) is Embedding
    assert tied.get_input_embeddings().weight.shape[0] == len(tiny.VOCABULARY)


def test_a_small_table_is_left_alone() -> None:
    bert = tiny.bert()
    assert learn_rows(bert, dict(bert.named_parameters()), torch.tensor([0, 2])) is None
    assert type(bert.get_input_embeddings()) is nn.Embedding
