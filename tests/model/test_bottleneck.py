"""Bottlenecks: where they stand in every family, against the formula, harmless at first, kept apart, and read again."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import Head
from tunesmith.model import bottleneck
from tunesmith.model.bottleneck import Placement, bottlenecks, put_on, without
from tunesmith.model.build import Model, build
from tunesmith.model.save import digest, save

BOTH = Placement(("attention", "mlp"), parallel=False, size=4, activation="relu", scale=1.0)
BESIDE = Placement(("mlp",), parallel=True, size=4, activation="gelu", scale=4.0)
IDS = torch.tensor([[2, 9, 11, 12, 3], [2, 8, 7, 10, 3]])
TEXT = ["bert", "distilbert", "electra", "albert", "deberta", "modernbert", "gpt2", "gptneox", "llama", "t5", "bart"]


def output(model: nn.Module) -> Tensor:
    more = {"decoder_input_ids": IDS} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model.eval()(input_ids=IDS, **more)[0]


def stirred(model: nn.Module) -> nn.Module:
    """The model with bottlenecks that do something."""
    torch.manual_seed(1)
    for part in bottlenecks(model).values():
        nn.init.normal_(part.up.weight, std=0.5)
    return model


@pytest.mark.parametrize("placement", [BOTH, BESIDE], ids=["behind", "beside"])
@pytest.mark.parametrize("family", TEXT)
def test_every_family_is_unchanged_at_first_and_changed_by_what_is_learned(family: str, placement: Placement) -> None:
    model = tiny.base(family)
    before, names = output(model), set(model.state_dict())
    put_on(model, placement)
    assert torch.equal(output(model), before)
    assert names < set(model.state_dict())  # none of its own names changes
    assert not torch.allclose(output(stirred(model)), before, atol=1e-4)
    with without(model):
        assert torch.equal(output(model), before)
        assert set(model.state_dict()) == names


def test_where_they_stand() -> None:
    assert put_on(tiny.base("bert"), BOTH)[:2] == ["encoder.layer.0.attention.output.dense", "encoder.layer.0.output.dense"]
    assert put_on(tiny.base("llama"), BOTH)[:2] == ["layers.0.self_attn.o_proj", "layers.0.mlp.down_proj"]
    decoder = [name for name in put_on(tiny.base("t5"), BOTH) if name.startswith("decoder.block.0.")]
    assert [name.split(".", 4)[4] for name in decoder] == ["0.SelfAttention.o", "1.EncDecAttention.o", "2.DenseReluDense.wo"]
    assert put_on(tiny.base("gpt2"), BESIDE) == [f"h.{layer}.mlp.c_proj" for layer in range(3)]
    assert len(put_on(tiny.base("albert"), BOTH)) == 2  # its layers are one


def test_lower_layers_can_go_without() -> None:
    assert put_on(tiny.base("bert"), Placement(("mlp",), False, 4, "relu", 1.0, skip=2)) == ["encoder.layer.2.output.dense"]


def test_the_formula_behind_a_sublayer() -> None:
    model = tiny.base("bert")
    put_on(model, BOTH)
    stirred(model)
    dense, x = model.get_submodule("encoder.layer.0.output.dense"), torch.randn(2, 5, 64)
    part = dense.bottleneck
    h = x @ dense.weight.T + dense.bias
    expected = h + torch.clamp(h @ part.down.weight.T + part.down.bias, min=0) @ part.up.weight.T + part.up.bias
    torch.testing.assert_close(dense(x), expected)


def test_the_formula_beside_a_sublayer() -> None:
    model = tiny.base("bert").eval()
    put_on(model, BESIDE)
    stirred(model)
    layer, x = model.get_submodule("encoder.layer.0"), torch.randn(2, 5, 32)
    part = layer.output.dense.bottleneck
    inner = torch.nn.functional.gelu(x @ layer.intermediate.dense.weight.T + layer.intermediate.dense.bias)
    own = inner @ layer.output.dense.weight.T + layer.output.dense.bias
    added = torch.nn.functional.gelu(x @ part.down.weight.T + part.down.bias) @ part.up.weight.T + part.up.bias
    torch.testing.assert_close(layer.feed_forward_chunk(x), layer.output.LayerNorm(own + 4 * added + x))


def test_a_copy_of_the_model_has_its_own() -> None:
    model = tiny.base("bert")
    put_on(model, BESIDE)
    stirred(model)
    expected = output(model)
    copied = copy.deepcopy(model)
    with torch.no_grad():
        for part in bottlenecks(copied).values():
            part.up.weight.zero_()
    assert torch.equal(output(model), expected)
    assert not torch.equal(output(copied), expected)


def test_a_saved_folder_is_the_base_to_others_and_whole_to_us(tmp_path: Path) -> None:
    import transformers

    head = Head("AutoModelForSequenceClassification", {"id2label": {0: "bad", 1: "good"}})
    model: Model = build(str(tiny.folder(tmp_path)), head)
    base, plain = digest(model.module), output_of(model.module)
    put_on(model.module, BESIDE)
    expected = output_of(stirred(model.module))
    save(model, tmp_path / "out")
    other, info = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(info.values())
    assert digest(other) == base
    assert torch.equal(output_of(other.eval()), plain)
    again = build(str(tmp_path / "out"), head).module
    assert torch.equal(output_of(again), expected)
    (tmp_path / "out" / bottleneck.WEIGHTS).write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read"):
        build(str(tmp_path / "out"), head)


def output_of(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="output of attention in XLNetModel"):
        put_on(tiny.base("xlnet"), BOTH)
    with pytest.raises(InputError, match="above the 3"):
        put_on(tiny.base("bert"), Placement(("mlp",), False, 4, "relu", 1.0, skip=3))
    model = tiny.base("bert")
    put_on(model, BESIDE)
    with pytest.raises(InputError, match="already"):
        put_on(model, BOTH)
