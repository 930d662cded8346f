"""Text classification on what people have: labels of every kind, pairs, weights, every family of models, and the numbers of others."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModelForSequenceClassification
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS

import tiny
from training import TRAINING
from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.task import Row
from tunesmith.data.encode import Encoded
from tunesmith.data.examples import read_examples
from tunesmith.data.load import Data, load
from tunesmith.data.settings import DataSettings
from tunesmith.engine.loop import fit
from tunesmith.evaluate.score import predict
from tunesmith.model.build import Model, build
from tunesmith.tasks.text_classification import TextClassification

FAMILIES = [family for family, config in tiny.configs.items() if config().model_type in CLASSIFIERS]
TEXTS = ["a good film", "bad", "the music was wonderful and the story was very well", "a dull plot , but the man is good !", "no"]
PAIRS = ["a bad film", "it is a good day in paris", "dull", "the worst", "yes"]
LABELS: dict[str, list[Any]] = {
    "single": ["good", "bad", "good", "odd", "bad"],
    "multi": [["good", "odd"], ["bad"], [], ["good"], ["bad", "good"]],
    "regression": [0.5, -1.25, 3.0, 2.0, 0.75],
}


def learned(kind: str, pairs: bool = False, **settings: Any) -> tuple[TextClassification, list[Row]]:
    """A task that has learned from a few rows, and the rows as it reads them."""
    task = TextClassification(kind=kind, **settings)
    rows: list[Row] = [
        {"text": text, **({"text_pair": pair} if pairs else {}), "label": label}
        for text, pair, label in zip(TEXTS, PAIRS, LABELS[kind], strict=True)
    ]
    task.learn(rows)
    return task, [task.read(row) for row in rows]


def built(task: TextClassification, folder: Path, family: str = "bert") -> Model:
    torch.manual_seed(0)
    model = build(str(tiny.folder(folder, family)), task.head())
    if family == "xlnet":
        model.tokenizer.padding_side = "left"  # as its own tokenizer pads: the last position sums the text up
    return model


def batch_of(task: TextClassification, rows: Sequence[Row], tokenizer: Any) -> Batch:
    encoded = Encoded([task.encode(rows, tokenizer)])
    return task.collate([encoded[i] for i in range(len(encoded))], tokenizer)


def answers(task: TextClassification, rows: Sequence[Row], model: Model, tokens: int) -> Tensor:
    """The table of probabilities or values, from batches of at most ``tokens`` positions."""
    encoded = Encoded([task.encode(rows, model.tokenizer)])
    found = predict(Forward(model.module), encoded, task, model.tokenizer, tokens)
    return task.table(found)


# What is learned, from which columns


def loaded(task: TextClassification, values: Sequence[Any], **settings: Any) -> Data:
    rows = [{"text": f"text {i}", "label": values[i % len(values)]} for i in range(20)]
    return load(DataSettings(rows, None, None, **settings), task, 0)


@pytest.mark.parametrize(
    ("labels", "kind", "names", "first"),
    [
        (["0", "1"], "single", ["0", "1"], 0),
        ([1.0, 0.0], "single", ["0", "1"], 1),
        ([True, False], "single", ["false", "true"], 1),
        (["very good", "很好", "very good "], "single", ["very good", "很好"], 0),
        (["b|a", "c"], "multi", ["a", "b", "c"], [1, 0]),
        ([["b", "a"], []], "multi", ["a", "b"], [1, 0]),
        (["['b', 'a']", "['c']"], "multi", ["a", "b", "c"], [1, 0]),
        (["2.5", "3"], "regression", ["value"], 2.5),
    ],
)
def test_labels_as_people_write_them(labels: list[Any], kind: str, names: list[str], first: Any) -> None:
    task = TextClassification()
    data = loaded(task, labels)
    assert (task.kind, task.labels, data.train[0]["label"]) == (kind, names, first)
    assert any(note.startswith("task: ") for note in data.notes)


def test_what_parts_labels_can_be_said() -> None:
    task = TextClassification(kind="multi", separator=",")
    assert loaded(task, ["b, a", "c"]).train[0]["label"] == [1, 0]
    with pytest.raises(InputError, match="no training row has several labels: the first has 'b, a'"):
        loaded(TextClassification(kind="multi"), ["b, a", "c"])
    single = TextClassification(kind="single")
    loaded(single, ["b|a", "c"])
    assert single.labels == ["b|a", "c"]


def test_labels_with_names_of_their_own() -> None:
    task = TextClassification()
    loaded(task, [0, 1], labels={"0": "negative", "1": "positive"})
    assert task.labels == ["negative", "positive"]
    several = TextClassification()
    loaded(several, ["0|1", "1"], labels={"0": "sad", "1": "glad"})
    assert several.labels == ["glad", "sad"]


@pytest.mark.parametrize(
    ("settings", "labels", "message"),
    [
        ({}, ["a"], "the only label of the training rows is 'a'"),
        ({"kind": "regression"}, ["a", "b"], "'a' is not a number"),
        ({"kind": "single"}, [["a", "b"], "a"], "2 labels in a row"),
        ({"labels": ["a", "c"]}, ["a", "b"], "'b' is not a label"),
        ({"metric": "pearson"}, ["a", "b"], "There is no metric 'pearson' where kind is single"),
        ({"threshold": 0.7}, ["a", "b"], r"task\.threshold is not read: by the label column, kind is single.*task\.kind: multi"),
        ({"separator": ","}, ["a", "b"], r"task\.separator is not read"),
        ({"class_weights": "balanced"}, [1.5, 2], r"task\.class_weights is not read: by the label column, kind is regression"),
        ({"class_weights": {"c": 2.0}}, ["a", "b"], "'c' is no label"),
        ({"class_weights": [1.0]}, ["a", "b"], "need as many weights, not 1"),
    ],
)
def test_what_does_not_fit_the_labels_is_refused(settings: dict[str, Any], labels: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        loaded(TextClassification(**settings), labels)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": "acuracy"}, r"There is no metric 'acuracy'\. Did you mean accuracy"),
        ({"metric": "accuracy", "kind": "multi"}, r"There is no metric 'accuracy' where kind is multi\. Did you mean subset_accuracy"),
        ({"metric": "x", "kind": "regression"}, "Known: pearson, spearman, r2, mse, rmse, mae"),
        ({"class_weights": "balance"}, "class_weights cannot be 'balance'"),
        ({"labels": ["a", "b", "a"]}, r"task\.labels has a name twice"),
        ({"kind": "regression", "labels": ["a", "b"]}, "has 2 names, and kind: regression gives one number"),
    ],
)
def test_settings_that_are_wrong_are_refused_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TextClassification(**settings)


def test_class_weights_are_written_out() -> None:
    balanced = learned("single", class_weights="balanced")[0]
    assert balanced.class_weights == [0.833333, 0.833333, 1.666667]
    assert learned("single", class_weights={"odd": 3})[0].class_weights == [1.0, 1.0, 3.0]
    assert learned("single")[0].class_weights == "none"


def test_columns_are_found_by_their_names() -> None:
    def roles(task: TextClassification, *headers: str, **mapping: str) -> dict[str, str]:
        rows = [{header: f"{header} {i % 2}" for header in headers} for i in range(6)]
        return load(DataSettings(rows, None, None, columns=mapping), task, 0).columns

    assert roles(TextClassification(), "Review", "Stars") == {"text": "Review", "label": "Stars"}
    task = TextClassification()
    assert roles(task, "premise", "hypothesis", "label") == {"text": "premise", "text_pair": "hypothesis", "label": "label"}
    assert task.pairs is True
    alone = TextClassification(pairs=False)
    assert roles(alone, "text", "context", "label") == {"text": "text", "label": "label"}
    with pytest.raises(InputError, match="no column is known as the text_pair"):
        roles(TextClassification(pairs=True), "text", "label")
    with pytest.raises(InputError, match="'text_pair' is not a column of this task"):
        roles(TextClassification(pairs=False), "text", "other", "label", text_pair="other")


def test_a_model_of_pairs_is_asked_with_pairs() -> None:
    train = [{"text": f"a {i}", "text_pair": f"b {i}", "label": i % 2} for i in range(6)]
    task = TextClassification()
    load(DataSettings(train, None, None), task, 0)
    with pytest.raises(InputError, match="no column is known as the text_pair"):
        read_examples(["a text alone"], task, truth=False)
    with pytest.raises(InputError, match="the text is empty"):
        load(DataSettings([*train, {"text": "a", "text_pair": "", "label": 1}], None, None), TextClassification(), 0)


# What the model sees, and what it is told


@pytest.mark.parametrize("pairs", [False, True], ids=["texts", "pairs"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns_and_predicts_each_row_by_itself(family: str, pairs: bool, tmp_path: Path) -> None:
    task, rows = learned("single", pairs=pairs)
    model = built(task, tmp_path, family)
    before = {name: parameter.clone() for name, parameter in model.module.named_parameters()}
    training = copy.copy(TRAINING)
    training.steps, training.batch_size, training.warmup = 1, len(rows), type(training.warmup)(0, "st")
    fitted = fit(model, task, Encoded([task.encode(rows, model.tokenizer)]), [], training, None, [])
    assert np.isfinite(fitted.run.loss)
    assert any(not before[name].equal(parameter) for name, parameter in model.module.named_parameters())
    model.module.eval()
    together, alone = (answers(task, rows, model, tokens) for tokens in (4096, 1))
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-7), "the text does not reach the head"


def test_most_families_are_covered() -> None:
    assert {"bert", "roberta", "xlnet", "gpt2", "llama", "t5", "bart"} <= set(FAMILIES)


def expected_labels(kind: str, task: TextClassification) -> Tensor:
    """The truths as transformers takes them, made without the task."""
    if kind == "regression":
        return torch.tensor(LABELS[kind])
    if kind == "single":
        return torch.tensor([task.labels.index(label) for label in LABELS[kind]])
    return torch.tensor([[float(name in cell) for name in task.labels] for cell in LABELS[kind]])


@pytest.mark.parametrize("kind", LABELS)
def test_the_loss_is_that_of_transformers(kind: str, tmp_path: Path) -> None:
    task, rows = learned(kind)
    model = built(task, tmp_path)
    batch = batch_of(task, rows, model.tokenizer)
    inputs = model.tokenizer(TEXTS, padding=True, return_tensors="pt")
    theirs = model.module(**inputs, labels=expected_labels(kind, task))
    ours = task.objective(batch, Forward(model.module))
    assert ours.count == len(rows)
    assert torch.allclose(ours.mean, theirs.loss, atol=1e-6)
    assert ours.logits is not None
    assert torch.allclose(ours.logits, theirs.logits, atol=1e-6)
    ours.mean.backward()  # type: ignore[no-untyped-call]
    gradients = {name: parameter.grad.clone() for name, parameter in model.module.named_parameters() if parameter.grad is not None}
    model.module.zero_grad()
    theirs.loss.backward()
    assert all(torch.allclose(gradients[n], p.grad, atol=1e-6) for n, p in model.module.named_parameters() if p.grad is not None)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_class_weights_weigh_rows_or_labels(kind: str, tmp_path: Path) -> None:
    weight = torch.tensor([1.0, 2.0, 5.0])
    task, rows = learned(kind, class_weights=weight.tolist())
    model = built(task, tmp_path)
    loss = task.objective(batch_of(task, rows, model.tokenizer), Forward(model.module))
    logits, labels = loss.logits, expected_labels(kind, task)
    assert logits is not None
    if kind == "multi":
        assert torch.allclose(loss.mean, F.binary_cross_entropy_with_logits(logits, labels, weight))
        return
    assert torch.allclose(loss.mean, F.cross_entropy(logits, labels, weight))
    assert loss.weights is not None
    assert torch.equal(loss.weights, weight[labels])
    assert loss.count == float(weight[labels].sum())


def test_texts_are_cut_where_it_is_said(tmp_path: Path) -> None:
    task, rows = learned("single", max_length=8)
    model = built(task, tmp_path)
    encoded = Encoded([task.encode(rows, model.tokenizer)])
    assert encoded.lengths.max() == 8
    assert encoded.truncated == 2
    beyond = learned("single", max_length=10_000)[0]
    long = [{"text": "good " * 200}]
    assert Encoded([beyond.encode(long, model.tokenizer)]).lengths.tolist() == [model.tokenizer.model_max_length]


def test_a_saved_head_knows_its_labels(tmp_path: Path) -> None:
    task, _ = learned("multi")
    built(task, tmp_path).module.save_pretrained(tmp_path / "saved")
    config = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").config
    assert config.id2label == {0: "bad", 1: "good", 2: "odd"}
    assert config.label2id == {"bad": 0, "good": 1, "odd": 2}
    assert config.problem_type == "multi_label_classification"
    assert built(learned("regression")[0], tmp_path / "r").module.config.num_labels == 1
