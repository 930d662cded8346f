"""Weights in 4 bits: against the numbers of the paper, with gradients, and back."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

import tiny
from tunesmith.core.errors import InputError
from tunesmith.model import four_bit
from tunesmith.model.backbone import describe
from tunesmith.model.four_bit import FourBit, formats, quantise, require, restore

# Dettmers et al. 2023, appendix E.
BELOW = (-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334)
AROUND = (-0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224)
NUMBERS = torch.tensor([*BELOW, *AROUND, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0])
IDS = torch.tensor([[2, 10, 11, 3], [2, 12, 13, 3]])


def nearest(weight: Tensor, block: int) -> Tensor:
    """What is left of a weight in 4 bits, by the definition."""
    blocks = weight.reshape(-1, block)
    scales = blocks.abs().amax(dim=1, keepdim=True)
    codes = (blocks / scales)[..., None].sub(NUMBERS).abs().argmin(dim=-1)
    return (NUMBERS[codes] * scales).view_as(weight)


@pytest.mark.parametrize(("shape", "block"), [((8, 64), 64), ((5, 128), 64), ((6, 32), 32), ((64, 96), 32)])
def test_it_multiplies_with_the_numbers_of_the_paper(shape: tuple[int, int], block: int) -> None:
    weight, bias, x = torch.randn(shape), nn.Parameter(torch.randn(shape[0])), torch.randn(3, 2, shape[1])
    layer = FourBit(weight, bias, double=False, block=block)
    torch.testing.assert_close(layer(x), x @ nearest(weight, block).T + bias, atol=2e-3, rtol=1e-3)
    assert layer.weight.numel() == weight.numel() // 2


def test_double_quantisation_costs_little_precision_and_saves_scales() -> None:
    weight, x = torch.randn(256, 128), torch.eye(128)
    plain, double = FourBit(weight, None, double=False), FourBit(weight, None, double=True)
    assert torch.equal(plain.weight, double.weight)
    assert 0 < (plain(x) - double(x)).abs().max() < 0.05 * weight.abs().max()
    assert double.scales.absmax.dtype == torch.uint8


def test_gradients_pass_after_an_evaluation_too() -> None:
    weight = torch.randn(6, 64)
    layer, before = FourBit(weight, nn.Parameter(torch.randn(6)), double=True), torch.randn(2, 64)
    codes = layer.weight.clone()
    with torch.no_grad():
        layer.eval()(before)
    x = before.clone().requires_grad_()
    layer.train()(x).sum().backward()
    with torch.no_grad():
        torch.testing.assert_close(x.grad[0], layer(torch.eye(64)).sub(layer.bias).sum(dim=1), atol=1e-5, rtol=1e-4)
    assert torch.equal(layer.weight, codes)
    assert layer.weight.grad is None


def test_it_computes_in_the_precision_of_the_pass() -> None:
    layer, x = FourBit(torch.randn(6, 64), nn.Parameter(torch.randn(6)), double=True), torch.randn(2, 64)
    with torch.autocast("cpu", torch.bfloat16):
        half = layer(x)
    assert half.dtype == torch.bfloat16
    assert layer.bias.dtype == torch.float32
    torch.testing.assert_close(half.float(), layer(x), atol=0.3, rtol=0.05)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_layers_go_and_come_back(family: str) -> None:
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(tiny.configs[family](num_labels=2)).eval()
    base, table = copy.deepcopy(model), describe(model)
    names = [f"bert.encoder.layer.{i}.output.dense" for i in range(3)] if family == "bert" else ["transformer.h.0.attn.c_attn"]
    expected = model(input_ids=IDS).logits
    assert quantise(model, names, double=True) == sum(table[f"{name}.weight"].size for name in names)
    assert formats(model) == "NF4 doubly"
    known = describe(model)
    assert {name: param.size for name, param in known.items()} == {name: param.size for name, param in table.items()}
    approximate = model(input_ids=IDS).logits
    assert not torch.equal(approximate, expected)
    torch.testing.assert_close(approximate, expected, atol=0.05, rtol=0.2)
    restore(model, base)
    assert formats(model) == ""
    assert torch.equal(model(input_ids=IDS).logits, expected)


def test_what_a_family_wants_precise_stays_so() -> None:
    model = AutoModelForSeq2SeqLM.from_config(tiny.configs["t5"]())
    layer = "encoder.block.0.layer.1.DenseReluDense"
    assert quantise(model, [f"{layer}.wi", f"{layer}.wo"], double=True) == 32 * 64
    assert isinstance(model.get_submodule(f"{layer}.wi"), FourBit)
    assert isinstance(model.get_submodule(f"{layer}.wo"), nn.Linear)


def test_a_row_that_no_block_divides_stays_as_it_is() -> None:
    model = nn.Sequential(nn.Linear(48, 8), nn.Linear(96, 8), nn.Linear(128, 8))
    assert quantise(model, ["0", "1", "2"], double=True) == 8 * (96 + 128)
    assert [getattr(part, "scales", None) and part.scales.blocksize for part in model] == [None, 32, 64]


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    require("qlora")
    monkeypatch.setattr(four_bit, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"qlora needs the package bitsandbytes\. Run: pip install 'tunesmith\[quantized\]'"):
        require("qlora")
