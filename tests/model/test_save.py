"""Saving, and digests of weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import tiny
from tunesmith.core.task import Head
from tunesmith.model.build import Model, build
from tunesmith.model.save import digest, save


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return build(str(tiny.folder(tmp_path)), Head("AutoModelForSequenceClassification", {"id2label": {0: "bad", 1: "good"}}))


def test_a_plain_folder(model: Model, tmp_path: Path) -> None:
    save(model, tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    loaded, info = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(info.values())
    assert loaded.config.id2label == {0: "bad", 1: "good"}
    assert AutoTokenizer.from_pretrained(tmp_path / "out")("a film").input_ids == model.tokenizer("a film").input_ids


def test_the_same_model_is_saved_as_the_same_bytes(model: Model, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save(model, tmp_path / name)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_a_plain_adapter_folder(model: Model, tmp_path: Path) -> None:
    base = str((tmp_path / "bert").resolve())
    model.module = get_peft_model(model.module, LoraConfig(r=2, target_modules=["query", "word_embeddings"]))
    save(model, tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert (tmp_path / "out" / "adapter_model.safetensors").stat().st_size < 8000  # the embeddings themselves are not in it
    plain = AutoModelForSequenceClassification.from_pretrained(base)
    loaded = PeftModel.from_pretrained(plain, tmp_path / "out")
    assert loaded.peft_config["default"].base_model_name_or_path == base


def test_a_digest_tells_values_names_types_and_shapes_apart() -> None:
    def layer(change: float = 0.0) -> nn.Linear:
        made = nn.Linear(2, 2)
        nn.init.constant_(made.weight, 1 + change)
        nn.init.zeros_(made.bias)
        return made

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.other = layer()

    flat = layer()
    flat.weight = nn.Parameter(torch.ones(1, 4))
    modules = [layer(), layer(1e-7), layer().to(torch.bfloat16), nn.Sequential(layer()), Named(), flat]
    assert len({digest(module) for module in modules}) == len(modules)
    assert digest(layer()) == digest(layer())


def test_a_digest_covers_buffers_and_scalars() -> None:
    module = nn.BatchNorm1d(3)
    before = digest(module)
    module(torch.ones(4, 3) * 2)
    assert digest(module) != before
