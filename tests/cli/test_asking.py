"""The options of predict and eval that say as what a model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import Command
from cli.test_tuned import classifier

ASKED = ("--labels", "good,bad", "--pattern", "a {label} film")


def test_predict_and_eval_without_training(tunesmith: Command, here: Path, model: Path) -> None:
    assert len(tunesmith("predict", str(model), "reviews.csv", "--json", *ASKED).json) == 60
    texts = ["a good film", "a bad film"]
    found = tunesmith("predict", str(model), "--json", *ASKED, *(word for text in texts for word in ("--text", text))).json
    assert [prediction["label"] for prediction in found] == ["good", "bad"]  # each is a label's own statement
    (here / "new.csv").write_text("text,label\na good film,good\na bad film,bad\n", encoding="utf-8")
    scores = tunesmith("eval", str(model), "--data", "new.csv", "--json", *ASKED).json["scores"]
    assert scores["accuracy"] == 1.0


def test_a_model_from_elsewhere_does_what_is_said(tunesmith: Command, here: Path, model: Path) -> None:
    [vector] = tunesmith("predict", str(model), "--as", "embedding", "--text", "a good film", "--json").json
    assert len(vector["vector"]) == 32
    (here / "pairs.csv").write_text("text1,text2,score\na film,a movie,5\na film,a cat,1\n", encoding="utf-8")
    assert "spearman" in tunesmith("eval", str(model), "--as", "embedding", "--data", "pairs.csv", "--json").json["scores"]


def test_options_that_nothing_reads_are_refused(tunesmith: Command, done: Path) -> None:
    refused = tunesmith("predict", "done", "reviews.csv", "--way", "masked", "--prior", "none")
    assert refused.code == 2
    assert "--way and --prior is read beside --labels alone" in refused.err
    refused = tunesmith("predict", "done", "reviews.csv", "--as", "chat", *ASKED)
    assert refused.code == 2
    assert "--as is not read beside --labels" in refused.err


@pytest.mark.parametrize(("threshold", "number"), [("0", 3), ("1", 0)])
def test_another_threshold_gives_other_labels(tunesmith: Command, here: Path, threshold: str, number: int) -> None:
    folder = classifier(here / "tags", num_labels=3, problem_type="multi_label_classification")
    [found] = tunesmith("predict", folder, "--text", "a good film", "--threshold", threshold, "--json").json
    assert len(found["labels"]) == number
    refused = tunesmith("predict", folder, "--text", "a good film", "--threshold", "5")
    assert refused.code == 2
    assert refused.err.startswith("--threshold must be at least 0 and at most 1, not 5.0.")


def test_a_threshold_that_nothing_reads_is_refused(tunesmith: Command, done: Path) -> None:
    refused = tunesmith("eval", "done", "--data", "reviews.csv", "--threshold", "0.3")
    assert (refused.code, refused.err) == (2, "--threshold is not read: the task gives each row one answer. Take it out.\n")
