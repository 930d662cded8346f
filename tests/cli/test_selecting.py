"""The command select: what is unsure, what lies apart, what is labelled wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tiny
import tunesmith as package
from cli.conftest import Command
from tunesmith.selecting import WAYS


@pytest.mark.parametrize("by", ["uncertainty", "margin", "entropy"])
def test_the_least_sure_rows_come_first(by: str, tunesmith: Command, done: Path) -> None:
    found = [json.loads(line) for line in tunesmith("select", "done", "reviews.csv", "--by", by, "--num", "7").out.splitlines()]
    sure = [max(prediction["probabilities"].values()) for prediction in package.load(done).predict("reviews.csv")]
    assert [row["row"] for row in found] == np.argsort(sure, kind="stable")[:7].tolist()  # with two labels all ways agree
    assert all("text" in row for row in found)
    assert [row["score"] for row in found] == sorted((row["score"] for row in found), reverse=True)


def test_rows_that_lie_apart(tunesmith: Command, here: Path, done: Path) -> None:
    said = tunesmith("select", "done", "reviews.csv", "--by", "diversity", "--num", "5", "--out", "next.jsonl")
    assert said.err == "5 rows in next.jsonl\n"
    rows = [json.loads(line) for line in (here / "next.jsonl").read_text().splitlines()]
    assert len({row["text"] for row in rows}) == 5
    assert "exists and is not overwritten" in tunesmith("select", "done", "reviews.csv", "--out", "next.jsonl").err


def test_wrong_labels_are_found(tunesmith: Command, here: Path, done: Path) -> None:
    rows = package.load(done).predict("reviews.csv")
    surest = max(range(len(rows)), key=lambda row: max(rows[row]["probabilities"].values()))
    lines = (here / "reviews.csv").read_text().splitlines()
    other = next(label for label in rows[surest]["probabilities"] if label != rows[surest]["label"])
    lines[surest + 1] = f"{lines[surest + 1].rpartition(',')[0]},{other}"
    (here / "wrong.csv").write_text("\n".join(lines) + "\n")
    found = tunesmith("select", "done", "wrong.csv", "--by", "label_error", "--num", "1", "--json").json
    assert (found[0]["row"], found[0]["likely"]) == (surest, rows[surest]["label"])


def test_it_is_told_where_a_model_was_trained_on_the_rows(tunesmith: Command, done: Path) -> None:
    said = tunesmith("select", "done", "reviews.csv", "--by", "label_error").err
    assert said.startswith("THE MODEL WAS TRAINED ON 54 OF THESE 60 ROWS")


@pytest.mark.parametrize("which", ["MODEL", "recipe.yaml"])
def test_a_model_without_a_head_judges_each_part_by_the_others(which: str, tunesmith: Command, here: Path, model: Path) -> None:
    rows = [("the wonderful great film", "good"), ("a dull sad plot", "bad")]
    lines = [f"{text} {number % 6} , {number},{label}\n" for number in range(20) for text, label in rows]
    lines[6] = lines[6].replace("good", "bad")
    (here / "wrong.csv").write_text("review,stars\n" + "".join(line.replace(" , ", " ") for line in lines))
    named = [] if which == "recipe.yaml" else ["--folds", "4"]
    (here / "wrong2.csv").write_text((here / "wrong.csv").read_text().replace("review,stars", "text,label"))
    file = "wrong.csv" if which == "recipe.yaml" else "wrong2.csv"
    done = tunesmith("select", which.replace("MODEL", str(model)), file, "--by", "label_error", "--num", "2", *named, "--json")
    assert (done.json[0]["row"], done.json[0]["likely"]) == (6, "good")
    assert f"each of {4 if named else 5} parts of the rows is judged by the others" in done.err
    assert "for 1 of 40 rows another label is likely" in done.err


def test_a_model_without_a_head_tells_what_lies_apart(tunesmith: Command, here: Path, model: Path) -> None:
    (here / "some.csv").write_text("text,label\na film,new\na dog,\na film,\n")
    found = tunesmith("select", str(model), "some.csv", "--by", "diversity", "--num", "2", "--json").json
    assert len({row["text"] for row in found}) == 2
    assert "--folds is not read" in tunesmith("select", str(model), "some.csv", "--by", "diversity", "--folds", "3").err


def test_rows_that_help_with_a_target(tunesmith: Command, here: Path, done: Path) -> None:
    (here / "target.csv").write_text("review,stars\na wonderful film,good\na great film and long,good\n", encoding="utf-8")
    found = tunesmith("select", "done", "reviews.csv", "--by", "gradient", "--target", "target.csv", "--num", "60", "--json").json
    scores = [row["score"] for row in found]
    assert scores == sorted(scores, reverse=True)
    assert all(-1.001 <= score <= 1.001 for score in scores)
    assert [row["label"] for row in found[:10]] == ["good"] * 10
    assert scores[-1] < 0 < scores[0]
    again = tunesmith("select", "done", "reviews.csv", "--by", "gradient", "--target", "target.csv", "--num", "60", "--json").json
    assert again == found
    assert "Name rows of it with their truth: --target FILE" in tunesmith("select", "done", "reviews.csv", "--by", "gradient").err
    assert "--target is not read where rows are selected by margin" in (
        tunesmith("select", "done", "reviews.csv", "--by", "margin", "--target", "target.csv").err
    )


def test_texts_that_a_language_model_foresees_come_first(tunesmith: Command, here: Path, done: Path) -> None:
    model = tiny.folder(here / "gpt2", "gpt2")
    texts = ["a good film", "the plot was dull and sad", "a cat"]
    (here / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    found = tunesmith("select", str(model), "texts.txt", "--by", "perplexity", "--num", "2", "--json").json
    tuned = package.load(model, kind="causal_language_modelling")
    alone = [tuned.evaluate([{"text": text}])["perplexity"] for text in texts]
    assert [row["row"] for row in found] == np.argsort(alone)[:2].tolist()
    assert [row["score"] for row in found] == pytest.approx(sorted(alone)[:2], rel=1e-4)
    assert "this model foresees no tokens" in tunesmith("select", "done", "reviews.csv", "--by", "perplexity").err


def test_a_task_of_several_is_named(tunesmith: Command, done: Path) -> None:
    assert "the run has one task, and none is called 'w'" in tunesmith("select", "done", "reviews.csv", "--task", "w").err


def test_all_ways_are_offered(tunesmith: Command) -> None:
    offered = tunesmith("select", "--help").out
    assert all(way in offered for way in WAYS)
    assert tunesmith("select", "done", "reviews.csv", "--by", "luck").code == 2
