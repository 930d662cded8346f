"""A model in use: by its run, or a classifier that was tuned elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import tiny
from tunesmith import tuned
from tunesmith.core.errors import InputError, ResourceError
from tunesmith.model.quiet import quiet
from tunesmith.tuned import load

LABELS = {0: "NEGATIVE", 1: "NEUTRAL", 2: "POSITIVE"}


def classifier(folder: Path, kind: type = transformers.BertForSequenceClassification, **config: Any) -> str:
    """A folder that ``save_pretrained`` wrote."""
    torch.manual_seed(0)
    kind(tiny.configs["bert"](**config)).save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture
def elsewhere(tmp_path: Path) -> str:
    """A classifier of three labels."""
    return classifier(tmp_path / "elsewhere", id2label=LABELS, label2id={label: i for i, label in LABELS.items()})


def test_a_run_by_name_folder_and_last(done: Path) -> None:
    texts = ["a good film", "a bad film"]
    expected = load(done).predict(texts)
    assert load("done").predict(texts) == load("last").predict(texts) == load(str(done), runs="no").predict(texts) == expected


def test_what_can_be_predicted(done: Path) -> None:
    model = load("done")
    texts = ["a good film", "a bad film"]
    expected = model.predict(texts)
    assert model.predict([{"review": text} for text in texts]) == expected  # the column of the training file
    assert model.predict([{"text": text} for text in texts]) == expected  # a name that the task knows
    assert model.predict({"review": texts}) == expected
    with pytest.raises(InputError, match="there is no column 'review'"):
        model.predict([{"something": 1}])
    with pytest.raises(InputError, match="<rows>:2"):
        model.predict(["a good film", ""])


def test_predictions_have_the_ids_of_their_rows(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "CHUNK", 2)
    model, texts = load("done"), ["a good film", "a bad film", "poor"]
    for header in ("review", "text"):
        found = model.predict([{"id": number, header: text} for number, text in enumerate(texts)])
        assert found == [{"id": number, **one} for number, one in enumerate(model.predict(texts))]


def test_chunks_change_nothing_but_rounding(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [p["probabilities"]["good"] for p in load("done").predict("reviews.csv")]
    monkeypatch.setattr(tuned, "CHUNK", 7)
    assert [p["probabilities"]["good"] for p in load("done").stream("reviews.csv")] == pytest.approx(whole, abs=1e-5)


def test_all_rows_are_checked_before_the_first_prediction(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "CHUNK", 1)
    with pytest.raises(InputError):
        next(load("done").stream(["good", "fine", ""]))


def test_a_classifier_from_elsewhere(elsewhere: str) -> None:
    model = load(elsewhere)
    prediction = model.predict(["a good film"])[0]
    assert list(prediction["probabilities"]) == list(LABELS.values())
    plain = transformers.BertForSequenceClassification.from_pretrained(elsewhere).eval()
    with torch.no_grad():
        chances = plain(**tiny.tokenizer()("a good film", return_tensors="pt")).logits.softmax(dim=1)[0].tolist()
    assert list(prediction["probabilities"].values()) == pytest.approx(chances, abs=0.01)


@pytest.mark.parametrize("labels", [["NEGATIVE", "POSITIVE"], ["negative", "positive"], [0, 2], ["0", "2"]])
def test_labels_by_name_or_number(labels: list[Any], elsewhere: str) -> None:
    scores = load(elsewhere).evaluate({"text": ["a bad film", "a good film"], "label": labels})
    assert [scores["per_class"][label]["support"] for label in LABELS.values()] == [1, 0, 1]
    with pytest.raises(InputError, match="NEGATIVE, NEUTRAL, POSITIVE"):
        load(elsewhere).evaluate({"text": ["a bad film"], "label": ["awful"]})


def test_a_regression_from_elsewhere(tmp_path: Path) -> None:
    model = load(classifier(tmp_path / "rating", num_labels=1, id2label={0: "stars"}, label2id={"stars": 0}))
    assert model.task.primary == "pearson"
    assert isinstance(model.predict(["a good film"])[0]["value"], float)


def test_several_labels_from_elsewhere(tmp_path: Path) -> None:
    model = load(classifier(tmp_path / "tags", num_labels=3, problem_type="multi_label_classification"))
    assert set(model.predict(["a good film"])[0]) == {"labels", "probabilities"}


def test_a_configuration_without_names(tmp_path: Path) -> None:
    folder = classifier(tmp_path / "plain")
    assert "id2label" not in json.loads(Path(folder, "config.json").read_text())
    assert list(load(folder).predict(["a good film"])[0]["probabilities"]) == ["LABEL_0", "LABEL_1"]


def test_a_model_without_a_head(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\(BertModel\) does not tell which task it was tuned for"):
        load(model)
    folder = Path(classifier(tmp_path / "half", kind=transformers.BertModel))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["BertForSequenceClassification"]}))
    with pytest.raises(InputError, match=r"not tuned for text_classification: classifier.weight would be new"):
        load(folder)  # it says that it has one


def test_a_run_knows_its_task(done: Path) -> None:
    with pytest.raises(InputError, match=r"done: a run knows its task. Leave --as out"):
        load("done", kind="embedding")
    assert len(load(done / "model", kind="embedding").predict(["a good film"])[0]["vector"]) == 32


def test_an_adapter(tmp_path: Path, model: Path) -> None:
    from peft import LoraConfig, get_peft_model

    with quiet():
        base = transformers.AutoModel.from_pretrained(model)
        get_peft_model(base, LoraConfig(target_modules=["query"])).save_pretrained(tmp_path / "adapter")
    with pytest.raises(InputError, match="an adapter does not name its labels"):
        load(tmp_path / "adapter")


def test_what_is_neither(here: Path, done: Path) -> None:
    with pytest.raises(InputError, match="There is no run 'nothing'"):
        load("nothing")
    with pytest.raises(ResourceError, match="hub cannot be reached"):
        load("org/name")
    with pytest.raises(InputError, match="sentiment is a data set"):
        load("sample:sentiment")
