"""The frontier: what lies below the lowest layer that learns can be taken out, and gives the same every time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tiny
from tunesmith.model.backbone import describe
from tunesmith.model.frontier import NotCacheableError, Tower, lower, standing_in, towers, train_above

IDS = torch.tensor([[2, 10, 11, 12, 3], [2, 9, 3, 0, 0]])
MASK = (IDS != 0).long()
TEXT = {"input_ids": IDS, "attention_mask": MASK}
PIXELS = torch.linspace(-1, 1, 2 * 3 * 16 * 16).reshape(2, 3, 16, 16)
INPUTS: dict[str, dict[str, Tensor]] = {"vit": {"pixel_values": PIXELS}, "clip": {**TEXT, "pixel_values": PIXELS}}
SEQUENCES = ("bart", "marian")
ENCODERS = ("bert", "roberta", "distilbert", "electra", "modernbert", "vit", "clip")
DECODERS = ("gpt2", "gptneox", "llama", "qwen2")


def inputs_of(family: str) -> dict[str, Tensor]:
    return INPUTS.get(family, TEXT) | ({"decoder_input_ids": IDS} if family in (*SEQUENCES, "t5") else {})


def built(family: str) -> tuple[nn.Module, list[Tower]]:
    model = tiny.base(family).eval()
    return model, towers(model, describe(model))


def first(output: Any) -> Tensor:
    return next(value for value in output.values() if isinstance(value, Tensor))


@pytest.mark.parametrize("family", [*ENCODERS, *DECODERS, *SEQUENCES])
def test_a_model_begins_above_what_was_kept(family: str) -> None:
    model, found = built(family)
    inputs = inputs_of(family)
    assert found
    with torch.no_grad():
        plain = first(model(**inputs))
        for tower in found:
            for frozen in range(1, tower.size + 1):
                hidden, parts = lower(model, tower, frozen, lambda: model(**inputs))
                layers = list(tower.layers(model))
                with standing_in(model, tower, frozen, hidden, parts):
                    torch.testing.assert_close(first(model(**inputs)), plain)
                    with standing_in(model, tower, min(frozen, 1), torch.zeros_like(hidden), parts):
                        assert len(tower.layers(model)) >= 1
                assert list(tower.layers(model)) == layers


def test_what_was_kept_is_what_is_used() -> None:
    model, (tower,) = built("bert")
    with torch.no_grad():
        hidden, parts = lower(model, tower, 2, lambda: model(**TEXT))
        plain = first(model(**TEXT))
        with standing_in(model, tower, 2, 2 * hidden, parts):
            assert not torch.allclose(first(model(**TEXT)), plain)


def test_layers_that_hand_on_more_than_hidden_states_are_refused() -> None:
    model, (tower, *_) = built("t5")
    with pytest.raises(NotCacheableError, match="more than hidden states"):
        lower(model, tower, 1, lambda: model(**inputs_of("t5")))


@pytest.mark.parametrize(
    ("learns", "frozen"), [("pooler", 3), ("layer.2", 2), ("layer.0", 0), ("word_embeddings", 0), ("nothing", 3), ("LayerNorm", 0)]
)
def test_the_lowest_that_learns_ends_what_is_frozen(learns: str, frozen: int) -> None:
    _, (tower,) = built("bert")
    assert tower.frozen(lambda name: learns in name) == frozen


def test_of_an_encoder_and_a_decoder_the_encoder_counts() -> None:
    _, found = built("bart")
    (tower,) = found
    assert (tower.path, tower.size) == ("encoder.layers", 2)
    assert tower.frozen(lambda name: name.startswith("decoder.layers")) == 2
    assert tower.frozen(lambda name: name == "shared.weight") == 0


def test_towers_side_by_side_are_frozen_each_for_itself() -> None:
    _, (text, image) = built("clip")
    assert text.frozen(lambda name: name.startswith("vision_model.")) == text.size
    assert image.frozen(lambda name: name.startswith("vision_model.encoder.layers.1")) == 1
    assert text.reads(INPUTS["clip"]).keys() == {"input_ids", "attention_mask"}
    assert image.reads(INPUTS["clip"]).keys() == {"pixel_values"}


def test_only_what_lies_below_runs_without_dropout() -> None:
    model, (tower,) = built("bert")
    model.train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("layer.2" in name or "pooler" in name)
    train_above(model, tower, 2)
    modes = {name: part.training for name, part in model.named_modules() if name.count(".") <= 2}
    assert not modes["embeddings"]
    assert not modes["encoder.layer.0"]
    assert not modes["encoder.layer.1"]
    assert modes["encoder.layer.2"]
    assert modes["pooler"]
    model.train()
    train_above(model, tower, 0)
    assert all(part.training for part in model.modules())


def test_dropout_before_the_layers_is_off_too() -> None:
    model, (tower,) = built("gpt2")
    model.train()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    train_above(model, tower, 1)
    assert not next(part.training for part in model.modules() if isinstance(part, nn.Dropout))
    assert model.get_submodule("h.1").training


@pytest.mark.parametrize("family", SEQUENCES)
def test_frozen_layers_give_the_same_twice_while_others_learn(family: str) -> None:
    model, (tower,) = built(family)
    model.train().requires_grad_(False)
    train_above(model, tower, 1)
    one, other = (lower(model, tower, 1, lambda: model(**inputs_of(family)))[0] for _ in range(2))
    assert one.equal(other)
