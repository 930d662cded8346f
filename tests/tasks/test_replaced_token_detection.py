"""Replaced token detection: what replaces, heads by family, saved frequencies, and texts that are asked about as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.data.encode import Encoded
from tunesmith.data.replacing import UNIGRAMS
from tunesmith.evaluate.score import predict
from tunesmith.model.build import Model, build_for
from tunesmith.model.save import save
from tunesmith.tasks.replaced_token_detection import ReplacedTokenDetection

TEXTS = ["the man loved a good film in paris", "it was a fine day for the dog"]


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    """A masked language model that expects 'cat' everywhere."""
    torch.manual_seed(0)
    model = transformers.BertForMaskedLM(tiny.configs["bert"]())
    model.cls.predictions.bias.data[tiny.VOCABULARY.index("cat")] = 100.0
    model.save_pretrained(tmp_path / "masked")
    tiny.tokenizer().save_pretrained(tmp_path / "masked")
    return tmp_path / "masked"


def made(task: ReplacedTokenDetection, folder: Path, family: str = "bert") -> Model:
    torch.manual_seed(0)
    return build_for(task, str(tiny.folder(folder, family)))


def answers(task: ReplacedTokenDetection, model: Model, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    data = Encoded([task.encode(rows, model.tokenizer)])
    return predict(Forward(model.module.eval()), data, task, model.tokenizer)


def test_tokens_are_replaced_by_what_the_named_model_draws(masked: Path, tmp_path: Path) -> None:
    task = ReplacedTokenDetection(generator=str(masked), rate=0.3)
    assert "replaces tokens" in task.learn([{"text": text} for text in TEXTS])[1]
    found = answers(task, made(task, tmp_path), [{"text": text} for text in TEXTS])
    for prediction, text in zip(found, TEXTS, strict=True):
        old = text.split()
        changed = [new for new, before in zip(prediction["tokens"], old, strict=True) if new != before]
        assert set(changed) == {"cat"}
        assert prediction["truth"] == [int(new != before) for new, before in zip(prediction["tokens"], old, strict=True)]
        assert prediction["text"] == " ".join(prediction["tokens"])
    assert task.files(torch.nn.Identity()) == {}


def test_texts_that_are_asked_about_stay_as_they_are(tmp_path: Path) -> None:
    task = ReplacedTokenDetection()
    task.learn([{"text": text} for text in TEXTS])
    model = made(task, tmp_path)
    [one] = answers(task, model, [task.asked({"text": TEXTS[0]})])
    assert one["tokens"] == TEXTS[0].split()
    assert one["truth"] == []
    assert len(one["probabilities"]) == len(one["tokens"])
    assert task.metrics([one], [{}]) == {}
    assert "truth" not in task.shown({"asked": TEXTS[0]}, one)


def test_frequencies_go_along_with_the_model(tmp_path: Path) -> None:
    task = ReplacedTokenDetection()
    assert "at random, by their frequency; a masked language model teaches more" in task.learn([{"text": "a cat and a dog"}])[1]
    model = made(task, tmp_path)
    save(model, tmp_path / "saved")
    for path, content in task.files(model.module).items():
        (tmp_path / "saved" / path).write_text(json.dumps(content))
    again = ReplacedTokenDetection()
    other = build_for(again, str(tmp_path / "saved"))
    rows = [{"text": text} for text in TEXTS]
    assert answers(again, other, rows) == answers(task, model, rows)
    (tmp_path / "saved" / UNIGRAMS).unlink()
    build_for(again, str(tmp_path / "saved"))
    assert answers(again, other, rows) != answers(task, model, rows)  # all tokens are equally likely


def test_electra_has_its_own_head(tmp_path: Path) -> None:
    task = ReplacedTokenDetection()
    assert type(made(task, tmp_path, "electra").module) is transformers.ElectraForPreTraining
    bert = made(task, tmp_path).module
    assert type(bert) is transformers.BertForTokenClassification
    assert bert.config.id2label == {0: "original", 1: "replaced"}


def test_what_does_not_fit_is_refused(tmp_path: Path, masked: Path) -> None:
    with pytest.raises(InputError, match="temperature is read where a model replaces tokens"):
        ReplacedTokenDetection(temperature=0.5)
    with pytest.raises(InputError, match=r"task\.generator: .* has no head for masked tokens"):
        made(ReplacedTokenDetection(generator=str(tiny.folder(tmp_path))), tmp_path)
    transformers.BertForMaskedLM(tiny.configs["bert"](max_position_embeddings=10)).save_pretrained(masked)
    with pytest.raises(InputError, match=r"task\.generator: .* reads 10 tokens at most, and rows have up to 16"):
        made(ReplacedTokenDetection(generator=str(masked), max_length=16), tmp_path)
    tokenizer = tiny.tokenizer()
    tokenizer.mask_token = None
    with pytest.raises(InputError, match="no token that masks"):
        ReplacedTokenDetection().meet(tiny.base("bert"), tokenizer)
