"""QLoRA: the base untouched in its 4 bits, the counts of LoRA, and a folder that the base as it is can load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

import tiny
from runs import rows
from training import tiny_fit
from tunesmith import export, load, train
from tunesmith.core.errors import InputError
from tunesmith.engine.loop import Fitted
from tunesmith.model import four_bit
from tunesmith.model.backbone import describe
from tunesmith.model.four_bit import FourBit
from tunesmith.model.quiet import quiet
from tunesmith.recipes.recipe import recipe_from
from tunesmith.strategies.lora import LoRA
from tunesmith.strategies.qlora import QLoRA


def kept(fitted: Fitted) -> dict[str, Tensor]:
    """All that does not learn, scales too."""
    layers = {name: part for name, part in fitted.run.model.named_modules() if isinstance(part, FourBit)}
    scales = {f"{name}.scales": part.scales.absmax for name, part in layers.items()}
    return scales | {name: weight.detach() for name, weight in fitted.run.model.named_parameters() if name in fitted.run.fixed}


def test_the_base_is_untouched_to_the_last_bit() -> None:
    first, last = kept(tiny_fit(None, [QLoRA(rank=2)], steps=1, learning_rate=1e-30)), kept(tiny_fit(None, [QLoRA(rank=2)]))
    assert first.keys() == last.keys()
    assert sum(weight.dtype == torch.uint8 for weight in last.values()) == 2 * 3 * 6  # codes and scales of six layers, three times
    assert all(torch.equal(first[name], last[name]) for name in first)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_learns_and_counts_as_lora_does(precision: str) -> None:
    ours, theirs = (tiny_fit(None, [kind(rank=2)], precision=precision).run for kind in (QLoRA, LoRA))
    assert ours.touched == theirs.touched
    assert sum(param.size for param in ours.params.values()) == sum(param.size for param in theirs.params.values())
    assert {name.replace(".base_layer", "") for name in ours.params} == {name.replace(".base_layer", "") for name in theirs.params}
    assert ours.loss == pytest.approx(theirs.loss, abs=0.2)
    changed = [name for name, weight in ours.learning().items() if "lora_B" in name and weight.detach().abs().sum() > 0]
    assert len(changed) == 3 * 6


def test_targets_choose_what_is_updated_and_all_is_kept_in_4_bits() -> None:
    model = QLoRA(rank=2, targets="attention").adapt(tiny.bert())
    assert sum(isinstance(part, FourBit) for part in model.modules()) == 3 * 6
    assert sum("lora_A" in name for name, _ in model.named_parameters()) == 3 * 4


@pytest.mark.parametrize("family", ["gpt2", "t5", "modernbert", "deberta"])
def test_families(family: str) -> None:
    torch.manual_seed(0)
    kind: Any = AutoModelForSeq2SeqLM if family == "t5" else AutoModelForSequenceClassification
    module: nn.Module = kind.from_config(tiny.configs[family]()).eval()
    inputs = {"input_ids": torch.tensor([[2, 10, 11, 3]])} | ({"labels": torch.tensor([[10, 3]])} if family == "t5" else {})
    expected = module(**inputs).logits.detach()
    adapted = QLoRA(rank=2).adapt(module).eval()
    assert (adapted(**inputs).logits - expected).abs().max() < 0.2 * expected.abs().max()
    adapted(**inputs).logits.sum().backward()
    learned = [name for name, weight in adapted.named_parameters() if "lora_B" in name and weight.grad is not None]
    assert len(learned) == sum("lora_B" in name for name in describe(adapted)) > 4


def test_it_says_what_is_kept_in_4_bits_and_what_was_added() -> None:
    said: list[str] = []

    class Listening(QLoRA):
        def begin(self, run: Any) -> None:
            run.say = said.append
            super().begin(run)

    tiny_fit(None, [Listening(rank=2)], steps=1)
    assert said == ["qlora: 24.6 k of 32.1 k weights are kept in 4 bits, 2.7 k added, of rank 2"]


def test_a_model_with_an_adapter_is_refused() -> None:
    with pytest.raises(InputError, match=r"has an adapter already\. Merge it"):
        QLoRA(rank=2).adapt(LoRA(rank=2).adapt(tiny.bert()))


def test_a_missing_package_is_told_with_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(four_bit, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="qlora needs the package bitsandbytes"):
        recipe_from({"model": "nowhere", "task": "text_classification", "data": {"train": rows()}, "strategies": ["qlora"]})


def test_what_is_judged_is_what_is_shipped(tmp_path: Path) -> None:
    from peft import PeftModel

    base = tiny.folder(tmp_path)
    report = train(
        model=str(base),
        task="text_classification",
        data={"train": rows(16), "validation": rows(8)},
        baselines=False,
        strategies=[{"qlora": {"rank": 2}}],
        training={"steps": 6, "batch_size": 8, "learning_rate": 3e-2, "precision": "float32"},
        run="qlora",
        runs=tmp_path / "runs",
    )
    judged = [json.loads(line) for line in (report.folder / "predictions/validation.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = [row["text"] for row in judged]
    again = load(report.folder).predict(texts)
    assert [max(one["probabilities"].values()) for one in again] == [row["confidence"] for row in judged]
    with quiet():
        plain = AutoModelForSequenceClassification.from_pretrained(base)
        alone = PeftModel.from_pretrained(plain, report.folder / "model").eval()
        ids = tiny.tokenizer()(texts, return_tensors="pt", padding=True)
        found = alone(**ids).logits.softmax(dim=1).detach()
    assert found.max(dim=1).values.tolist() == pytest.approx([row["confidence"] for row in judged], abs=1e-5)
    exported = export("qlora", tmp_path / "merged", runs=tmp_path / "runs")
    assert exported.form == "merged"
    for one, other in zip(load(tmp_path / "merged").predict(texts), again, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)
