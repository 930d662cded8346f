"""Pattern classification: scores by hand from the model's own logits, masked and causal, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from training import TRAINING
from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.observer import Observer
from tunesmith.core.task import Row
from tunesmith.data.encode import Encoded
from tunesmith.engine.loop import fit
from tunesmith.evaluate.score import predict
from tunesmith.model.build import Model, build_for
from tunesmith.tasks.pattern_classification import PatternClassification

ROWS: list[Row] = [{"text": "a film", "label": "good"}, {"text": "the very sad plot", "label": "bad"}, {"text": "a dog", "label": "bad"}]
WORDS = {"good": "very good"}


@dataclass
class Said(Observer):
    """What a run says."""

    lines: list[str] = field(default_factory=list)

    def say(self, message: str) -> None:
        self.lines.append(message)


def learned(**settings: Any) -> tuple[PatternClassification, list[Row]]:
    task = PatternClassification(**({"pattern": "{text} . it was {label} .", "max_length": 32, "words": WORDS} | settings))
    task.learn(ROWS)
    return task, [task.read(row) for row in ROWS]


def built(task: PatternClassification, folder: Path, family: str) -> Model:
    torch.manual_seed(0)
    return build_for(task, str(tiny.folder(folder, family)))


def batch_of(task: PatternClassification, rows: list[Row], model: Model) -> Batch:
    items = Encoded([task.encode(rows, model.tokenizer)])
    return task.collate([items[row] for row in range(len(items))], model.tokenizer)


def chances_after(model: Model, text: str) -> torch.Tensor:
    """The log-probabilities at each position of a text, without [SEP] where the model is causal."""
    ids = torch.tensor([[tiny.VOCABULARY.index(word) for word in text.split()]])
    with torch.no_grad():
        return model.module(ids).logits[0].log_softmax(dim=1)


def test_what_is_learned_is_told() -> None:
    task = PatternClassification(words={"good": "very good"})
    assert task.learn(ROWS) == ["task: one of 2 labels: bad (2), good (1)", "words: good <- very good"]
    assert task.written == ["bad", "very good"]
    with pytest.raises(InputError, match=r"'god' is no label\. Did you mean 'good'"):
        PatternClassification(words={"god": "x"}).learn(ROWS)


def test_a_masked_model_scores_words_at_masks(tmp_path: Path) -> None:
    task, rows = learned()
    model = built(task, tmp_path, "bert")
    with torch.no_grad():
        found = task.scores(batch_of(task, rows, model), Forward(model.module))
    bad, good, very = (tiny.VOCABULARY.index(word) for word in ("bad", "good", "very"))
    for row, scores in zip(ROWS, found, strict=True):
        text = f"[CLS] {row['text']} . it was"
        place = len(text.split())
        one, two = (chances_after(model, f"{text} {masks} . [SEP]") for masks in ("[MASK]", "[MASK] [MASK]"))
        expected = [one[place, bad], (two[place, very] + two[place + 1, good]) / 2]
        torch.testing.assert_close(scores, torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_a_causal_model_scores_words_behind_the_text(tmp_path: Path) -> None:
    task, rows = learned(language="causal")
    model = built(task, tmp_path, "llama")
    with torch.no_grad():
        found = task.scores(batch_of(task, rows, model), Forward(model.module))
    bad, good, very = (tiny.VOCABULARY.index(word) for word in ("bad", "good", "very"))
    for row, scores in zip(ROWS, found, strict=True):
        after = chances_after(model, f"[CLS] {row['text']} . it was very")
        torch.testing.assert_close(scores, torch.stack([after[-2, bad], after[-2, very] + after[-1, good]]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "gptneox", "llama"])
def test_a_text_is_read_once_for_all_labels(tmp_path: Path, family: str) -> None:
    task, rows = learned(language="causal", words={"good": "very good", "bad": "not very good"})
    model = built(task, tmp_path, family)
    assert task.packed
    found = []
    for side in ("left", "right"):
        model.tokenizer.padding_side = side
        for task.packed in (True, False):
            batch = batch_of(task, rows, model)
            with torch.no_grad():
                found.append((task.scores(batch, Forward(model.module)), len(batch.inputs["input_ids"])))
    assert [rows for _, rows in found] == [3, 6, 3, 6]
    for scores, _ in found:
        torch.testing.assert_close(scores, found[1][0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("family", "language"), [("roberta", "masked"), ("distilbert", "masked"), ("gpt2", "causal")])
def test_it_learns(family: str, language: str, tmp_path: Path) -> None:
    task, rows = learned(language=language)
    model = built(task, tmp_path, family)
    encoded = Encoded([task.encode(rows, model.tokenizer)])
    before, said = task.objective(batch_of(task, rows, model), Forward(model.module)).mean.item(), Said()
    fitted = fit(model, task, encoded, [], TRAINING, None, [said])
    assert any("the head that writes words is new" in line for line in said.lines) == (language == "masked")  # a decoder's is tied
    after = task.objective(batch_of(task, rows, model), Forward(fitted.model.module.eval()))
    assert after.mean.item() < before
    answers = predict(Forward(fitted.model.module), encoded, task, model.tokenizer)
    assert task.metrics(answers, rows)["accuracy"] == sum(task.correct(answers, rows)) / 3


@pytest.mark.parametrize(
    ("settings", "family", "said"),
    [
        ({}, "llama", "AutoModelForMaskedLM"),
        ({}, "bart", "an encoder and a decoder"),
        ({"words": {"good": "quux"}}, "bert", "no tokens for the label 'quux'"),
    ],
)
def test_what_the_model_cannot_do_is_refused(settings: dict[str, Any], family: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        built(learned(**settings)[0], tmp_path, family)


def test_a_pattern_for_a_decoder_ends_with_the_label() -> None:
    PatternClassification("{label} : {text}")
    with pytest.raises(InputError, match="before it writes the label"):
        PatternClassification("{label} : {text}", "causal")
