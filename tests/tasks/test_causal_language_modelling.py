"""Causal language modelling: what is foreseen, what is written, and that packing changes nothing but time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.task import RowError
from tunesmith.data.encode import Encoded
from tunesmith.evaluate.score import predict
from tunesmith.model.build import Model, build_for
from tunesmith.tasks.causal_language_modelling import CausalLanguageModelling

ROWS = [{"text": "the cat was good"}, {"text": "a sad film , " * 9}, {"text": "yes"}, {"text": "the dog and the man loved music"}]


def met(folder: Path, family: str = "gpt2", **settings: Any) -> tuple[CausalLanguageModelling, Model]:
    task = CausalLanguageModelling(**{"max_length": 12, "stride": 4, "written": 2, "max_new_tokens": 3} | settings)
    return task, build_for(task, str(tiny.folder(folder, family, initializer_range=0.3)))


def judged(task: CausalLanguageModelling, model: Model, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    encoded = Encoded([task.encode([task.read(row) for row in rows], model.tokenizer)])
    return predict(Forward(model.module.eval()), encoded, task, model.tokenizer)


@pytest.mark.parametrize("family", ["gpt2", "gptneox", "llama", "qwen2"])
def test_packing_changes_nothing(family: str, tmp_path: Path) -> None:
    found = []
    for pack in (None, False):
        task, model = met(tmp_path, family, pack=pack)
        items = Encoded([task.encode([task.read(row) for row in ROWS], model.tokenizer)])
        batch = task.collate(list(items), model.tokenizer)
        loss = task.objective(batch, Forward(model.module.eval()))
        found.append((loss.sum.item(), loss.count, judged(task, model, ROWS), batch.positions))
    (packed, count, told, positions), (alone, same, told_alone, more) = found
    assert packed == pytest.approx(alone, rel=1e-5)
    assert count == same == sum(len(row["text"].split()) + 1 for row in ROWS)
    assert positions < more
    for one, other in zip(told, told_alone, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-4)
        assert (one.get("text"), one["tokens"], one["right"]) == (other.get("text"), other["tokens"], other["right"])


def test_scores_follow_from_the_losses_of_the_rows(tmp_path: Path) -> None:
    task, model = met(tmp_path)
    told = judged(task, model, ROWS)
    scores = task.metrics(told, ROWS)
    loss, tokens = sum(row["loss"] for row in told), sum(row["tokens"] for row in told)
    assert scores["perplexity"] == pytest.approx(math.exp(loss / tokens))
    assert scores["bits_per_byte"] == pytest.approx(loss / math.log(2) / sum(len(row["text"].encode()) for row in ROWS))
    assert [("text" in row) for row in told] == [True, True, False, False]
    assert {"distinct_1", "distinct_2", "repetition"} <= scores.keys()


def test_a_row_of_one_window_has_the_loss_of_transformers(tmp_path: Path) -> None:
    task, model = met(tmp_path)
    [told] = judged(task, model, ROWS[:1])
    ids = torch.tensor([model.tokenizer(ROWS[0]["text"])["input_ids"]])
    assert told["loss"] == pytest.approx(5 * model.module(input_ids=ids, labels=ids).loss.item(), rel=1e-5)


def test_logits_are_kept_for_strategies_that_need_them(tmp_path: Path) -> None:
    task, model = met(tmp_path, keep_logits=True)
    batch = task.collate(list(Encoded([task.encode(ROWS, model.tokenizer)])), model.tokenizer)
    whole = task.objective(batch, Forward(model.module.eval()))
    task.keep_logits = False
    assert "logits" not in task.offers
    pieces = task.objective(batch, Forward(model.module))
    assert whole.logits is not None
    assert pieces.logits is None
    assert whole.sum.item() == pytest.approx(pieces.sum.item(), rel=1e-5)


def test_a_text_goes_on_from_its_end(tmp_path: Path) -> None:
    task, model = met(tmp_path)
    asked = task.asked(task.read({"text": "the cat was"}))
    found = predict(Forward(model.module.eval()), Encoded([task.encode([asked], model.tokenizer)]), task, model.tokenizer)
    assert found[0].keys() == {"text"}
    assert task.shown(asked, found[0]) == {"text": "the cat was", "predicted": found[0]["text"]}


def test_a_tokenizer_without_padding(tmp_path: Path) -> None:
    folder = tiny.folder(tmp_path, "gpt2")
    tokenizer = tiny.tokenizer()
    tokenizer.pad_token = None
    tokenizer.eos_token = "[SEP]"
    tokenizer.save_pretrained(folder)
    task = CausalLanguageModelling(max_length=12, max_new_tokens=3)
    model = build_for(task, str(folder))
    assert all(math.isfinite(row["loss"]) for row in judged(task, model, ROWS))


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="the text is empty"):
        CausalLanguageModelling().read({"text": " "})
    with pytest.raises(InputError, match="windows of 12 tokens cannot share 7"):
        met(tmp_path, stride=7)
