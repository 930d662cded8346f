"""Frozen weights in bfloat16: the same run to the last bit, and float32 again at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import tiny
from training import same, tiny_fit, weights
from tunesmith.engine import halved, state
from tunesmith.engine.events import read_events
from tunesmith.strategies.freeze import Freeze
from tunesmith.strategies.lora import LoRA
from tunesmith.strategies.prefix import Prefix


@pytest.fixture(autouse=True)
def published_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny.bert

    def rounded(**how: Any) -> Any:
        model = made(**how)
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(weight.bfloat16().float())
        return model

    monkeypatch.setattr(tiny, "bert", rounded)


@pytest.mark.parametrize("strategy", [LoRA(), Prefix(tokens=2), Freeze(layers=2)], ids=["lora", "prefix", "freeze"])
def test_the_run_is_the_same_to_the_last_bit(strategy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"precision": "bfloat16", "trunk": "off", "steps": 6}
    found = tiny_fit(tmp_path / "halved", [strategy], **settings)
    assert any("held in bfloat16" in event.get("text", "") for event in read_events(tmp_path / "halved" / "events.jsonl"))
    assert {weight.dtype for weight in found.model.module.parameters()} == {torch.float32}
    monkeypatch.setattr(state, "halve", lambda *_: 0)
    assert same(weights(found), weights(tiny_fit(tmp_path / "plain", [strategy], **settings)))


def test_what_learns_and_what_would_lose_and_tables_stay() -> None:
    model = tiny.bert()
    query, key = "bert.encoder.layer.0.attention.self.query", "bert.encoder.layer.0.attention.self.key"
    with torch.no_grad():
        model.get_submodule(key).weight += 1e-5
    held = halved.halve(model, {f"{query}.weight"}, torch.bfloat16)
    kinds = {path: part.weight.dtype for path, part in model.named_modules() if isinstance(part, nn.Linear | nn.Embedding)}
    assert kinds[query] == kinds[key] == kinds["bert.embeddings.word_embeddings"] == torch.float32
    assert kinds["bert.encoder.layer.0.attention.self.value"] == torch.bfloat16
    assert held == sum(weight.numel() for weight in model.parameters() if weight.dtype == torch.bfloat16)
    halved.whole(model)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_in_float32_nothing_is_halved() -> None:
    assert halved.halve(tiny.bert(), set(), torch.float32) == 0
