"""The proof: how the base was used, on which rows all are judged, and what is shown of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from tunesmith import proof
from tunesmith.core.task import Row
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.load import Data, load
from tunesmith.engine.loop import Fitted, fit
from tunesmith.model.build import build, build_for
from tunesmith.model.save import save
from tunesmith.proof import Proof, Untuned, chance, known_rows, prove
from tunesmith.recipes.recipe import Recipe, recipe_from
from tunesmith.tasks.chat import Chat
from tunesmith.tasks.text_classification import TextClassification

LABELS: dict[str, list[Any]] = {"single": ["good", "bad"], "multi": [["a"], ["a", "b"], ["c", "b"]], "regression": [0.5, 2.0, 3.5]}


def rows(kind: str, count: int = 30, **more: str) -> list[Row]:
    """Different texts with the labels of a kind in turn."""
    texts = [" ".join(tiny.WORDS[(7 * i + step) % 60] for step in range(2 + i % 5)) for i in range(count)]
    return [{"text": text, **more, "label": LABELS[kind][i % len(LABELS[kind])]} for i, text in enumerate(texts)]


class Tuning:
    """A tiny run up to its proof."""

    def __init__(self, model: Path | str, train: list[Row], steps: int = 2, **keys: Any) -> None:
        training = {"steps": steps, "batch_size": 8, "learning_rate": 5e-3, "precision": "float32"}
        data = {"train": train, "test": "30%", "validation": None, **keys.pop("data", {})}
        given = {"model": str(model), "task": keys.pop("task", "text_classification"), "data": data, "training": training}
        self.recipe: Recipe = recipe_from({**given, **keys})
        self.data: Data = load(self.recipe.data, self.recipe.task, 0)
        torch.manual_seed(0)
        built = build_for(self.recipe.task, self.recipe.model_spec)
        self.rows: Encoded = encode(self.data.train, self.recipe.task, built.tokenizer)
        self.fitted: Fitted = fit(built, self.recipe.task, self.rows, self.recipe.strategies, self.recipe.training, None, [])

    def proof(self) -> Proof:
        return prove(self.recipe, self.fitted, self.data, (1.5, 300.0))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.folder(tmp_path_factory.mktemp("models"))


def test_a_base_with_the_head_is_used_as_it_is(model: Path, tmp_path: Path) -> None:
    first = Tuning(model, rows("single"), steps=12)
    save(first.fitted.model, tmp_path / "tuned")
    tuned = first.proof().scores["tuned"]
    again = Tuning(tmp_path / "tuned", rows("single"), steps=1).proof().scores
    assert again["base_is"] == "as it is"
    assert again["base"]["accuracy"] == tuned["accuracy"]
    assert again["base"]["log_loss"] == pytest.approx(tuned["log_loss"], abs=1e-5)


def test_further_tests_are_judged_as_they_would_be_alone(model: Path, tmp_path: Path) -> None:
    others = rows("single", 50)[30:]
    tuning = Tuning(model, rows("single"), data={"tests": {"target": others}})
    found = tuning.proof()
    assert "tests" not in found.tests[0].scores
    own = found.scores["tests"]["target"]
    assert (own["split"], own["examples"], own["base_is"], own["baselines"]) == ("target", 20, "zero-shot by label names", {})
    alone = replace(tuning.data, test=tuning.data.tests["target"], tests={})
    scores = prove(tuning.recipe, tuning.fitted, alone, (1.5, 300.0)).scores
    assert (own["flips"], own["gain"]) == (scores["flips"], scores["gain"])
    for side in ("base", "tuned"):
        assert own[side]["log_loss"] == pytest.approx(scores[side]["log_loss"], abs=1e-6)
    found.write(tmp_path)
    assert len((tmp_path / "predictions" / "target.jsonl").read_text(encoding="utf-8").splitlines()) == 20


def test_a_base_without_the_head_is_asked_by_the_names_of_the_labels(model: Path) -> None:
    tuning = Tuning(model, rows("single"))
    scores = tuning.proof().scores
    assert scores["base_is"] == "zero-shot by label names"
    module = build(str(model), tuning.recipe.task.head()).module.base_model.eval()
    tokenizer = tuning.fitted.model.tokenizer

    def vector(text: str) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(module(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0))

    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    assert tuning.data.test is not None
    names = [vector(label) for label in tuning.recipe.task.labels]  # type: ignore[attr-defined]
    right = [int(np.argmax([cosine(vector(row["text"]), name) for name in names])) == row["label"] for row in tuning.data.test]
    assert scores["base"]["accuracy"] == pytest.approx(np.mean(right))


@pytest.mark.parametrize(
    ("train", "labels"),
    [
        (rows("multi"), {}),
        (rows("regression"), {}),
        (rows("single", text_pair="a good film"), {}),
        (rows("single"), {"good": "1", "bad": "0"}),
    ],
    ids=["several labels", "numbers", "pairs", "names that are numbers"],
)
def test_where_names_say_nothing_the_base_is_chance(model: Path, train: list[Row], labels: dict[str, str]) -> None:
    scores = Tuning(model, train, data={"labels": labels}).proof().scores
    assert scores["base_is"] == "chance"
    assert scores["base"][scores["primary"]] is not None
    assert np.isfinite(scores["gain"][scores["primary"]]["delta"])
    assert scores["baselines"].keys() == {"mean" if train[0]["label"] == 0.5 else "majority", "tfidf", "linear_probe"}


def test_chance_is_drawn_and_always_the_same() -> None:
    single = TextClassification(kind="single", labels=["a", "b", "c", "d"])
    known = torch.tensor([0] * 200 + [1] * 100 + [2, 3] * 50)
    table = chance(single, known, 4000)
    assert torch.equal(table, chance(single, known, 4000))
    assert torch.allclose(table.sum(dim=1), torch.ones(4000))
    assert np.bincount(table.argmax(dim=1), minlength=4) == pytest.approx([2000, 1000, 500, 500], rel=0.1)


def test_chance_has_the_frequencies_and_the_scale_of_what_is_known() -> None:
    several = TextClassification(kind="multi", labels=["a", "b"])
    given = several.predictions(chance(several, torch.tensor([[1.0, 0.0]] * 30 + [[0.0, 0.0]] * 70), 2000))
    assert [sum(label in p["labels"] for p in given) for label in "ab"] == pytest.approx([600, 20], rel=0.5)
    values = chance(TextClassification(kind="regression", labels=["value"]), torch.tensor([40_000.0, 60_000.0]), 1000)
    assert values.mean() == pytest.approx(50_000, rel=0.05)
    assert set(values[:, 0].tolist()) == {40_000.0, 60_000.0}


def test_of_very_many_rows_evenly_chosen_ones_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"label": number} for number in range(10)]
    assert known_rows(rows) == rows
    monkeypatch.setattr(proof, "KNOWN", 4)
    assert [row["label"] for row in known_rows(rows)] == [0, 3, 6, 9]


def test_texts_are_compared_by_the_likelihood_that_decides() -> None:
    task = Chat()
    sums = [{"loss": 2.0 * i, "right": i, "tokens": 2 * i} for i in (1, 2, 3)]
    over = task.over(sums, [])
    assert over is not None
    assert over(np.array([0, 1, 2])) == pytest.approx(task.metrics(sums, [])["perplexity"])
    assert over(np.array([2, 2])) == pytest.approx(task.metrics([sums[2]] * 2, [])["perplexity"])


def test_the_same_rows_are_judged(model: Path) -> None:
    assert Tuning(model, rows("single")).proof().scores["examples"] == 9
    validated = Tuning(model, rows("single"), data={"test": None, "validation": "20%"}).proof()
    assert (validated.split, validated.scores["split"], validated.scores["examples"]) == ("validation", "validation", 6)
    trained = Tuning(model, rows("single"), data={"test": None}).proof()
    assert (trained.split, len(trained.truths)) == ("train", 30)


def test_baselines_can_be_left_out(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tuning = Tuning(model, rows("multi"), baselines=False)
    monkeypatch.setattr(proof, "vectors", lambda *given: pytest.fail("the base was run for nothing"))
    assert tuning.proof().scores["baselines"] == {}


def test_the_judged_rows_go_through_the_base_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tuning, seen, plain = Tuning(model, rows("single")), [], proof.vectors
    monkeypatch.setattr(proof, "vectors", lambda forward, encoded, *given: seen.append(len(encoded)) or plain(forward, encoded, *given))
    tuning.proof()
    assert sum(seen) == 9 + 2 + 21, "judged rows, names of labels, training rows"


def test_vectors_do_not_depend_on_their_order(model: Path) -> None:
    tuning = Tuning(model, rows("single"))
    untuned = Untuned(tuning.recipe, list(tuning.data.train), tuning.rows)
    table = untuned.own_vectors()
    assert table.shape == (21, 32)
    assert untuned.own_vectors() is table
    alone = np.concatenate([untuned.vectors([row]) for row in tuning.data.train])
    assert np.allclose(table, alone, atol=1e-5)


@pytest.mark.parametrize("metric", ["f1_macro", "auc", "accuracy", "log_loss"])
def test_an_interval_is_of_the_metric_that_decides(model: Path, metric: str) -> None:
    task = {"text_classification": {"metric": metric}}
    scores = Tuning(model, rows("single", 80), task=task, steps=6).proof().scores
    gain = scores["gain"][metric]
    assert gain["delta"] == pytest.approx(scores["tuned"][metric] - scores["base"][metric])
    assert gain["ci95"][0] <= gain["delta"] <= gain["ci95"][1]


@pytest.mark.parametrize("kind", LABELS)
def test_the_quick_statistic_is_the_metric(kind: str, model: Path) -> None:
    tuning = Tuning(model, rows(kind))
    found = tuning.proof()
    task = tuning.recipe.task
    assert isinstance(task, TextClassification)
    for metric in task.score_names():
        task.metric = metric
        over = task.over(found.predictions, found.truths)
        for chosen in (np.arange(9), np.array([8, 0, 1, 1, 2, 5])):
            expected = task.metrics([found.predictions[row] for row in chosen], [found.truths[row] for row in chosen])
            assert over(chosen) == pytest.approx(expected.get(metric, np.nan), nan_ok=True)


def proved(correct: list[bool], confidence: list[float]) -> Proof:
    """A proof of rows that are right or wrong."""
    task = TextClassification(kind="single", labels=["bad", "good"])
    truths: list[Row] = [{"text": f"row {i}", "label": int(right)} for i, right in enumerate(correct)]
    predictions = task.predictions(torch.tensor([[1 - sure, sure] for sure in confidence], dtype=torch.float64))
    return Proof(task, "test", truths, predictions, task.correct(predictions, truths), [0.0] * len(truths), {})


def test_errors_are_shown_the_most_confident_first() -> None:
    found = proved([True, False, False, True], [0.9, 0.6, 0.8, 0.7])
    assert found.errors(9) == [
        {"text": "row 2", "predicted": "good", "truth": "bad", "confidence": 0.8},
        {"text": "row 1", "predicted": "good", "truth": "bad", "confidence": 0.6},
    ]
    assert [error["text"] for error in found.errors(1)] == ["row 2"]
    assert [example["text"] for example in found.examples()] == ["row 0", "row 1", "row 2"]
    assert len(proved([False] * 3, [0.9] * 3).errors(9)) == 3, "a model that is never right has errors as well"
    assert proved([True], [0.9]).errors(9) == []


def test_examples_stand_beside_what_the_base_answered() -> None:
    found = proved([True, False], [0.9, 0.6])
    base = TextClassification(kind="single", labels=["bad", "good"]).predictions(torch.tensor([[0.9, 0.1], [0.2, 0.8]]))
    shown = replace(found, base_predictions=base).examples()
    assert [(row["base"], row["predicted"]) for row in shown] == [("bad", "good"), ("good", "good")]


def test_errors_of_texts_are_those_with_the_largest_loss() -> None:
    task = Chat()
    rows = [task.read({"prompt": "a?", "completion": letter}) for letter in "abc"]
    predictions = [{"loss": loss, "right": right, "tokens": 4, "text": ""} for loss, right in ((4.0, 0), (40.0, 2), (8.0, 1))]
    found = Proof(task, "test", rows, predictions, task.correct(predictions, rows), [0.0] * 3, {})
    assert [error["loss"] for error in found.errors(9)] == [10.0, 2.0, 1.0]


def test_errors_of_numbers_are_the_largest() -> None:
    task = TextClassification(kind="regression", labels=["value"])
    truths: list[Row] = [{"text": "a", "label": 1.0}, {"text": "b", "label": 1.0}, {"text": "c", "label": 1.0}]
    predictions = [{"value": 1.0}, {"value": 3.0}, {"value": -4.0}]
    found = Proof(task, "test", truths, predictions, task.correct(predictions, truths), [0.0] * len(truths), {})
    assert [error["text"] for error in found.errors(9)] == ["c", "b"]


def test_what_is_wholly_right_is_no_error_however_it_is_shown() -> None:
    found = proved([False, False], [0.9, 0.8])
    assert [error["text"] for error in replace(found, correct=[1.0, 0.5]).errors(9)] == ["row 1"]


def test_predictions_are_written_a_line_a_row(tmp_path: Path) -> None:
    proved([True, False], [0.75, 0.75]).write(tmp_path)
    lines = (tmp_path / "predictions/test.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"row": 0, "text": "row 0", "predicted": "good", "truth": "good", "confidence": 0.75, "correct": 1.0, "base_correct": 0.0},
        {"row": 1, "text": "row 1", "predicted": "good", "truth": "bad", "confidence": 0.75, "correct": 0.0, "base_correct": 0.0},
    ]


@pytest.mark.parametrize("kind", LABELS)
def test_scores_are_json_values(kind: str, model: Path) -> None:
    scores = Tuning(model, rows(kind)).proof().scores
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    assert scores["seconds"] == {"train": 1.5}
    assert scores["tokens_per_second"] == 300.0


def test_groups_of_the_judged_rows_are_compared(model: Path) -> None:
    grouped = [{**row, "source": "web" if number % 3 else "book"} for number, row in enumerate(rows("single", 240))]
    scores = Tuning(model, grouped, data={"columns": {"group": "source"}}).proof().scores
    assert sum(group["rows"] for group in scores["groups"]["tuned"]["by_group"].values()) == scores["examples"] == 72
    assert set(scores["groups"]["base"]["by_group"]) == {"web", "book"}
    assert "groups" not in Tuning(model, rows("single")).proof().scores


def test_answers_are_judged_by_the_rewards_that_they_were_learned_from(tmp_path: Path) -> None:
    told = {"reward": "pattern", "pattern": "[aeiou]", "group": 3, "max_new_tokens": 2}
    task = {"sequence_to_sequence": {"max_target_length": 2}}
    strategies: list[Any] = [{"policy_gradient": told}]
    asked = [{"source": row["text"], "target": row["label"]} for row in rows("single", 12)]
    proof = Tuning(tiny.folder(tmp_path, "t5"), asked, task=task, strategies=strategies).proof()
    scores = proof.scores
    expected = np.mean([any(letter in "aeiou" for letter in prediction["text"]) for prediction in proof.predictions])
    assert scores["tuned"]["reward"] == pytest.approx(expected)
    assert scores["gain"]["reward"]["delta"] == pytest.approx(scores["tuned"]["reward"] - scores["base"]["reward"])
    assert scores["judged_by"] == {"reward": len(proof.predictions)}
    assert scores["primary"] != "reward"
    plain = Tuning(tiny.folder(tmp_path / "plain", "t5"), asked, task=task, strategies=["clip"]).proof().scores
    assert "judged_by" not in plain
