"""Changed embeddings in every family, what an adversary adds, and the geometry of its steps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tiny
from tunesmith.core.errors import InputError
from tunesmith.model.perturb import Perturbation, changing, check_embeddings, direction, input_embeddings, norms, uniform, within, zeros

CALLS = {"t5": 2, "bart": 2, "marian": 2, "clip": 2, "whisper": 2}  # an encoder and a decoder, or two towers


def inputs(family: str) -> dict[str, torch.Tensor]:
    ids = {"input_ids": torch.tensor([[2, 9, 11, 3], [2, 8, 3, 0]])}
    pixels = {"pixel_values": torch.randn(2, 3, 16, 16)}
    known = {
        "clip": ids | pixels,
        "vit": pixels,
        "whisper": {"input_features": torch.randn(2, 8, 32), "decoder_input_ids": ids["input_ids"]},
        **dict.fromkeys(("t5", "bart", "marian"), ids | {"decoder_input_ids": ids["input_ids"]}),
    }
    return known.get(family, ids)


@pytest.mark.parametrize("family", tiny.configs)
def test_every_family_reads_what_the_change_returns(family: str) -> None:
    model, given = tiny.base(family).eval(), inputs(family)
    plain = model(**given)[0]
    seen: list[tuple[torch.Size, torch.Size]] = []

    def change(embedded: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        seen.append((embedded.shape, torch.broadcast_shapes(embedded.shape, real.shape)))
        return embedded + 10 * torch.randn_like(embedded)

    with changing(model, change):
        changed = model(**given)[0]
    assert len(seen) == CALLS.get(family, 1)
    assert all(before == both for before, both in seen)
    assert not torch.allclose(plain, changed)
    assert torch.equal(model(**given)[0], plain)


def test_padding_is_told_by_its_id() -> None:
    found: list[torch.Tensor] = []
    model = tiny.bert()
    with changing(model, lambda embedded, real: found.append(real) or embedded):
        model(**inputs("bert"))
    assert found[0][..., 0].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]


def test_what_is_added_starts_once_and_gets_a_gradient() -> None:
    model = tiny.bert().eval()
    adversary, starts = Perturbation(lambda embedded, real: starts.append(1) or zeros(embedded, real)), []
    for passes in (1, 2):
        with adversary.on(model):
            model(**inputs("bert")).logits.sum().backward()
        assert len(starts) == len(adversary.added) == 1
        assert adversary.added[0].grad.abs().sum() > 0, passes
    adversary.move(lambda old, gradient: old + direction(gradient))
    assert adversary.added[0].grad is None
    assert adversary.added[0].requires_grad
    torch.testing.assert_close(norms(adversary.added[0]).flatten(), torch.ones(2))


def test_a_model_without_embeddings_is_refused() -> None:
    assert input_embeddings(nn.Linear(2, 2)) == []
    with pytest.raises(InputError, match="fgm: the model has no input embeddings"):
        check_embeddings(nn.Linear(2, 2), "fgm")


def test_noise_is_as_large_for_a_short_text_as_for_a_long_one() -> None:
    real = torch.tensor([[1.0] * 50, [1.0] * 5 + [0.0] * 45])[..., None]
    noise = uniform(torch.zeros(2, 50, 64), real, 0.3)
    assert norms(noise).flatten().tolist() == pytest.approx([0.3 / 3**0.5] * 2, rel=0.1)
    assert not noise[1, 5:].any()
    assert noise[1, :5].abs().max() <= 0.3 / (5 * 64) ** 0.5


def test_a_generator_of_its_own_leaves_the_global_numbers_where_they_are() -> None:
    before = torch.get_rng_state()
    drawn = [uniform(torch.zeros(1, 3, 2), torch.ones(1, 3, 1), 1.0, torch.Generator().manual_seed(4)) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*drawn)


def test_directions_have_length_1_and_a_ball_keeps_what_is_inside() -> None:
    values = torch.tensor([[[3.0, 4.0]], [[0.3, 0.4]], [[0.0, 0.0]]])
    assert norms(direction(values)).flatten().tolist() == pytest.approx([1, 1, 0])
    torch.testing.assert_close(within(values, 1.0), torch.tensor([[[0.6, 0.8]], [[0.3, 0.4]], [[0.0, 0.0]]]))
