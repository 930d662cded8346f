"""Classifiers that were tuned before, for the same labels or for others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tiny
from tunesmith.core.task import Head
from tunesmith.model.build import build
from tunesmith.model.labels import follow


def head(*labels: str) -> Head:
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    return Head("AutoModelForSequenceClassification", {"num_labels": len(labels), **names})


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    """A classifier whose labels are bad, good and mixed, in this order."""
    module = tiny.bert(num_labels=3)
    module.config.id2label = {0: "bad", 1: "good", 2: "mixed"}
    module.config.label2id = {"bad": 0, "good": 1, "mixed": 2}
    module.save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    return tmp_path


def test_the_same_labels_keep_their_weights(tuned: Path) -> None:
    model = build(str(tuned), head("bad", "good", "mixed"))
    assert model.fresh == ()
    assert torch.equal(model.module.classifier.weight, tiny.bert(num_labels=3).classifier.weight)


def test_another_order_takes_the_weights_along(tuned: Path) -> None:
    model = build(str(tuned), head("Good", "mixed", "bad"))
    before = tiny.bert(num_labels=3)
    assert model.fresh == ()
    assert torch.equal(model.module.classifier.weight, before.classifier.weight[[1, 2, 0]])
    assert torch.equal(model.module.classifier.bias, before.classifier.bias[[1, 2, 0]])
    assert model.module.config.id2label[0] == "Good"


def test_other_labels_start_anew_as_the_seed_says(tuned: Path) -> None:
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        model = build(str(tuned), head("cat", "dog", "man"))
        assert model.fresh == ("classifier.weight", "classifier.bias")
        weights.append(model.module.classifier.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], tiny.bert(num_labels=3).classifier.weight)


def test_another_number_of_labels_starts_anew(tuned: Path) -> None:
    model = build(str(tuned), head("bad", "good"))
    assert model.fresh == ("classifier.weight", "classifier.bias")
    assert "new head: classifier (66)" in model.about


def test_names_that_say_nothing_are_taken_to_agree() -> None:
    module = tiny.bert()
    before = module.classifier.weight.clone()
    assert follow(module, {0: "LABEL_0", 1: "LABEL_1"}, {0: "bad", 1: "good"}) == ()
    assert torch.equal(module.classifier.weight, before)


def test_numbers_that_json_keeps_as_texts_are_read_as_numbers() -> None:
    module = tiny.bert(num_labels=11)
    before = module.classifier.weight.clone()
    letters = "abcdefghijk"
    assert follow(module, {str(i): letter for i, letter in enumerate(letters)}, dict(enumerate(letters))) == ()
    assert torch.equal(module.classifier.weight, before)
