"""The generic strategy: what peft makes of the same settings, for every family."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification

import tiny
from training import tiny_fit, weights
from tunesmith.core.errors import InputError
from tunesmith.strategies.peft import KINDS, Peft

IDS = torch.tensor([[2, 10, 11, 12, 3]])
NEEDS_SIZE = {"fourierft": {"n_frequency": 10}}
STARTS_ELSEWHERE = {"fourierft"}  # its spectrum is random at first


def built(family: str) -> nn.Module:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(tiny.configs[family](num_labels=2)).eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["bert", "llama"])
def test_every_kind_attaches_and_starts_as_the_base(kind: str, family: str) -> None:
    model = built(family)
    with torch.no_grad():
        expected = model(input_ids=IDS).logits
        adapted = Peft(kind=kind, settings_of_peft=NEEDS_SIZE.get(kind, {})).adapt(model).eval()
        assert kind in STARTS_ELSEWHERE or torch.allclose(adapted(input_ids=IDS).logits, expected, atol=1e-4)
    assert 0 < sum(p.numel() for p in adapted.parameters() if p.requires_grad) < sum(p.numel() for p in adapted.parameters()) / 2


def test_ia3_scales_keys_values_and_the_inputs_of_narrowing_layers() -> None:
    adapted = Peft(targets=["key", "value", "mlp"]).adapt(built("bert"))
    scales = {name.partition("layer.0.")[2]: weight for name, weight in adapted.named_parameters() if "ia3_l" in name}
    shapes = {name: tuple(weight.shape) for name, weight in scales.items() if name}
    assert shapes == {
        "attention.self.key.ia3_l.default": (32, 1),
        "attention.self.value.ia3_l.default": (32, 1),
        "intermediate.dense.ia3_l.default": (64, 1),
        "output.dense.ia3_l.default": (1, 64),
    }


def test_the_base_is_untouched() -> None:
    before, after = weights(tiny_fit(None, [Peft()], steps=1, learning_rate=1e-30)), weights(tiny_fit(None, [Peft()]))
    changed = {name for name in before if not before[name].equal(after[name])}
    assert any("ia3_l" in name for name in changed)
    assert all("ia3_l" in name or "modules_to_save" in name for name in changed)


def test_a_setting_that_the_kind_has_not_is_refused() -> None:
    with pytest.raises(InputError, match=r"ia3 has no setting 'rank'\. Known: .*fan_in_fan_out"):
        Peft(settings_of_peft={"rank": 2}).adapt(built("bert"))
