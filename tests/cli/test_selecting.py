"""The command select: what is unsure, what lies apart, what is labelled wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

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
    assert found[0]["row"] == surest


def test_all_ways_are_offered(tunesmith: Command) -> None:
    offered = tunesmith("select", "--help").out
    assert all(way in offered for way in WAYS)
    assert tunesmith("select", "done", "reviews.csv", "--by", "luck").code == 2
