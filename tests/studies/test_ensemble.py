"""Finished runs as one: combined or mixed, judged beside each of them, and loaded like any run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import PreTrainedTokenizerFast

import tiny
import tunesmith
from runs import TRAINING, rows
from tunesmith.core.errors import InputError, IntegrityError
from tunesmith.run import Report
from tunesmith.studies.ensemble import ensemble
from tunesmith.studies.ensemble_report import table, told
from tunesmith.studies.soup import greedy
from tunesmith.tuned import Ensemble

SHORT = {name: value for name, value in TRAINING.items() if name != "epochs"} | {"steps": 3}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: a, b and c on the same rows, other on others, tags of another task."""
    folder = tmp_path_factory.mktemp("ensemble")
    model = str(tiny.folder(folder))
    for name, part in {"train": rows(40)[:24], "validation": rows(40)[24:32], "test": rows(40)[32:]}.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    data = {name: str(folder / f"{name}.jsonl") for name in ("train", "validation", "test")}
    keys: dict[str, Any] = {"model": model, "task": "text_classification", "baselines": False, "training": SHORT}
    for seed, name in enumerate("abc"):
        tunesmith.train(keys | {"data": data, "seed": seed}, run=name, runs=folder / "runs")
    tunesmith.train(
        keys | {"data": {"train": data["train"], "validation": None, "test": data["validation"]}}, run="other", runs=folder / "runs"
    )
    words = [{"text": f"the man in paris was good {i}", "tags": "O O O B-PLACE O O O"} for i in range(12)]
    (folder / "tags.jsonl").write_text("".join(json.dumps(row) + "\n" for row in words), encoding="utf-8")
    task = {"token_classification": {"max_length": 16}}
    tunesmith.train(keys | {"task": task, "data": {"train": str(folder / "tags.jsonl"), "test": "30%"}}, run="tags", runs=folder / "runs")
    return folder / "runs"


def together(made: Path, how: str, name: str, *which: str) -> Report:
    said: list[str] = []
    report = ensemble(which or ("a", "b", "c"), how, (made, name), said.append)
    assert said
    return report


def chances(predictions: list[dict[str, Any]]) -> list[float]:
    return [prediction["probabilities"]["good"] for prediction in predictions]


def test_probabilities_are_averaged_by_members_that_stay_where_they_are(made: Path, tmp_path: Path) -> None:
    report = together(made, "average", "mean")
    texts = ["a good film", "a bad film", "dull music"]
    whole, parts = tunesmith.load(report.folder), [tunesmith.load(made / name) for name in "abc"]
    assert isinstance(whole, Ensemble)
    expected = [sum(own) / 3 for own in zip(*(chances(part.predict(texts)) for part in parts), strict=True)]
    assert chances(whole.predict(texts)) == pytest.approx(expected)
    scores = report.scores
    assert scores == json.loads((report.folder / "scores.json").read_text(encoding="utf-8"))
    assert scores["baselines"]["b"]["accuracy"] == json.loads((made / "b" / "scores.json").read_text())["tuned"]["accuracy"]
    assert scores["ensemble"]["weights"] == dict.fromkeys("abc", 1 / 3)
    assert scores["ensemble"]["gain"]["accuracy"]["ci95"]
    assert scores["gain"]["accuracy"]["delta"] == pytest.approx(scores["tuned"]["accuracy"] - scores["base"]["accuracy"])
    assert scores["gain"]["accuracy"]["ci95"], "against the base of the first"
    assert [row[0] for row in table(scores)[1]] == ["a", "b", "c"]
    assert "of the best member" in told(scores)
    assert "Ensemble" in (report.folder / "report.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="it combines those of others"):
        tunesmith.export(report.folder, tmp_path / "out")
    shutil.copytree(made, tmp_path / "moved")  # with its members, it may move
    assert chances(tunesmith.load(tmp_path / "moved" / "mean").predict(texts)) == pytest.approx(expected)
    config = tmp_path / "moved" / "a" / "model" / "config.json"
    config.write_text(config.read_text() + "\n")
    with pytest.raises(IntegrityError, match="this member of the ensemble is another model now"):
        tunesmith.load(tmp_path / "moved" / "mean")
    shutil.rmtree(tmp_path / "moved" / "b")
    with pytest.raises(InputError, match="this member of the ensemble is gone"):
        tunesmith.load(tmp_path / "moved" / "mean")


def test_weights_are_fitted_to_the_validation_rows(made: Path) -> None:
    report = together(made, "weighted", "weighted")
    weights = report.scores["ensemble"]["weights"]
    assert sum(weights.values()) == pytest.approx(1)
    whole = tunesmith.load(report.folder)
    assert isinstance(whole, Ensemble)
    assert dict(zip(whole.members, whole.weights, strict=True)) == {name: weight for name, weight in weights.items() if weight}
    rows_of = str(made.parent / "validation.jsonl")
    assert whole.evaluate(rows_of)["log_loss"] <= min(tunesmith.load(made / name).evaluate(rows_of)["log_loss"] for name in "abc") + 1e-6


def test_a_soup_is_an_ordinary_model(made: Path) -> None:
    report = together(made, "soup", "soup", "a", "b")
    weights = [load_file(made / name / "model" / "model.safetensors") for name in ("a", "b", "soup")]
    assert all(torch.allclose(weights[2][name], (weights[0][name] + weights[1][name]) / 2, atol=1e-6) for name in weights[0])
    assert not (report.folder / "ensemble.json").exists()
    found = tunesmith.load(report.folder).evaluate(str(made.parent / "test.jsonl"))
    assert found["accuracy"] == pytest.approx(report.scores["tuned"]["accuracy"])
    assert tunesmith.load(report.folder / "model").predict(["a good film"]) == tunesmith.load(report.folder).predict(["a good film"])


def test_a_greedy_soup_takes_what_helps() -> None:
    a, b, c = runs = [Path(name) for name in "abc"]
    worth = {(b,): 0.8, (b, c): 0.7, (b, a): 0.8}
    asked: list[tuple[Path, ...]] = []

    def score(some: Any) -> float:
        asked.append(tuple(some))
        return worth[tuple(some)]

    assert greedy(runs, [0.5, 0.8, 0.6], score) == [b, a]
    assert asked == [(b, c), (b, a)]


def pieces_of_letters(folder: Path) -> str:
    """A tiny model whose tokenizer makes a piece of each letter."""
    target = tiny.folder(folder, "electra")
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    core = Tokenizer(WordPiece({piece: i for i, piece in enumerate([*tiny.SPECIAL, *letters, *(f"##{one}" for one in letters)])}))
    core.pre_tokenizer = BertPreTokenizer()
    named = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), tiny.SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=64, **named).save_pretrained(target)
    return str(target)


def test_tags_are_averaged_over_other_pieces_and_numbers(made: Path) -> None:
    """The second member parts words into letters, and has the tags in another order."""
    task = {"token_classification": {"max_length": 64, "labels": ["I-PLACE", "O", "B-PLACE"]}}
    keys: dict[str, Any] = {"model": pieces_of_letters(made.parent), "task": task, "baselines": False, "training": SHORT}
    tunesmith.train(keys | {"data": {"train": str(made.parent / "tags.jsonl"), "test": "30%"}}, run="letters", runs=made)
    report = together(made, "average", "both_tags", "tags", "letters")
    whole, asked = tunesmith.load(report.folder), ["the man in paris was good"]
    assert isinstance(whole, Ensemble)
    assert [member.model.tokenizer.tokenize("paris") for member in whole.members.values()] == [
        ["paris"],
        ["p", *(f"##{one}" for one in "aris")],
    ]
    first, second = (member.predict(asked)[0]["probabilities"] for member in whole.members.values())
    mean = {tag: np.mean([first[tag], second[tag]], axis=0) for tag in first}
    [found] = whole.predict(asked)
    assert found["tokens"] == asked[0].split()
    assert found["confidences"] == pytest.approx([mean[tag][place] for place, tag in enumerate(found["tags"])])
    assert report.scores["gain"].keys() == {"f1"}
    with pytest.raises(InputError, match=r"its labels are \['I-PLACE', 'O', 'B-PLACE'\]"):
        together(made, "soup", "no_soup", "tags", "letters")


def test_everything_that_members_have_not_in_common_is_told(made: Path) -> None:
    with pytest.raises(InputError) as caught:
        together(made, "average", "wrong", "a", "other", "tags")
    assert [problem.message for problem in caught.value.problems] == [
        "it was judged on other rows than a",
        "its task is token_classification, and that of a text_classification",
    ]
    with pytest.raises(InputError, match="the run is named twice"):
        together(made, "average", "wrong", "a", "a")
    with pytest.raises(InputError, match="one run is no ensemble"):
        together(made, "average", "wrong", "a")
    with pytest.raises(InputError, match="there is no way 'best'"):
        together(made, "best", "wrong", "a", "b")
    assert not (made / "wrong").exists()
