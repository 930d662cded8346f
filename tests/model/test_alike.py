"""Whether two models put out the same, and what they are tried on."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers
from torch import tensor

import tiny
from tunesmith.model.alike import ROWS, difference, generated, outputs


def test_the_difference_is_a_share_of_the_largest_value() -> None:
    apart = difference({"logits": tensor([1.0, -4.0])}, {"logits": tensor([1.0, -5.0])})
    assert (apart.largest, apart.share, apart.small) == (1.0, pytest.approx(0.2), False)
    assert difference({"logits": tensor([1.0, -5.0001])}, {"logits": tensor([1.0, -5.0])}).small


def test_the_worst_output_counts() -> None:
    one = {"first": tensor([100.0]), "second": tensor([1.0])}
    assert difference(one, one | {"second": tensor([2.0])}).share == pytest.approx(0.5)


@pytest.mark.parametrize("other", [{"logits": tensor([float("nan")])}, {"hidden": tensor([1.0])}, {"logits": tensor([1.0, 1.0])}, {}])
def test_what_cannot_be_compared_is_not_small(other: dict[str, torch.Tensor]) -> None:
    assert not difference({"logits": tensor([1.0])}, other).small
    assert not difference({}, {}).small


@pytest.mark.parametrize("family", ["bert", "gpt2", "t5", "vit", "clip", "whisper"])
def test_every_sense_is_fed(family: str) -> None:
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(tiny.configs[family]())
    inputs = generated(model)
    assert all(torch.equal(value, generated(model)[name]) for name, value in inputs.items())
    found = outputs(model, inputs)
    assert found
    assert all(len(value) == ROWS for name, value in found.items() if "hidden_state" in name)
    other = copy.deepcopy(model)
    assert difference(outputs(other, inputs), found).largest == 0
    for weight in other.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    assert not difference(outputs(other, inputs), found).small
