"""The command audit: groups of a file, groups of the run's own rows, and swapped words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tunesmith as package
from cli.conftest import Command, reviews


@pytest.fixture
def grouped(here: Path) -> str:
    """A file of 120 reviews of two sources."""
    rows = [f'"{row["review"]}",{row["stars"]},{"web" if number % 2 else "print"}' for number, row in enumerate(reviews(120))]
    (here / "grouped.csv").write_text("review,stars,source\n" + "\n".join(rows) + "\n")
    return "grouped.csv"


def test_groups_of_a_file(tunesmith: Command, done: Path, grouped: str) -> None:
    found = tunesmith("audit", "done", "--data", grouped, "--group", "source", "--json").json
    predictions = package.load(done).predict(grouped)
    right = [prediction["label"] == row["stars"] for prediction, row in zip(predictions, reviews(120), strict=True)]
    assert found["examples"] == 120
    assert found["groups"]["tuned"]["by_group"]["web"]["accuracy"] == pytest.approx(sum(right[1::2]) / 60)
    assert found["groups"]["base"]["by_group"]["print"]["rows"] == 60
    said = tunesmith("audit", "done", "--data", grouped, "--group", "source")
    assert said.code == 0
    assert "demographic parity" in said.out
    assert "ACCURACY TUNED" in said.out
    exported = tunesmith("audit", str(done / "model"), "--data", grouped, "--group", "source", "--json")
    assert exported.code == 2 or "base" not in exported.json["groups"]


def test_groups_of_the_rows_that_the_run_was_judged_on(tunesmith: Command, here: Path, done: Path, grouped: str) -> None:
    recipe = here / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("reviews.csv", grouped).replace("stars}", "stars, group: source}"))
    assert tunesmith("train", "recipe.yaml", "--run", "again").code == 0
    scores = json.loads((here / "runs" / "again" / "scores.json").read_text())
    found = tunesmith("audit", "again", "--json").json
    assert found["trained_on"] is None, "they are the rows that the run was judged on"
    assert found["groups"]["too_small"] == scores["groups"]["too_small"] != {}
    assert found["groups"]["base"]["by_group"].keys() == {"web", "print"}
    assert "too few rows to be compared: print (" in tunesmith("report", "again").out


def test_swapped_words(tunesmith: Command, here: Path, done: Path) -> None:
    (here / "pairs.txt").write_text("good, bad\ngreat, poor\n")
    found = tunesmith("audit", "done", "--swap", "pairs.txt", "--data", "reviews.csv", "--json").json
    assert (
        f"THE MODEL WAS TRAINED ON {found['trained_on']} OF THESE"
        in tunesmith("audit", "done", "--swap", "pairs.txt", "--data", "reviews.csv").err
    )
    texts = [row["review"] for row in reviews(60)]
    having = [text for text in texts if any(f" {word} " in text for word in ("good", "bad", "great", "poor"))]
    assert (found["swap"]["rows"], found["swap"]["swapped"]) == (60, len(having))
    others = [text.translate({}) for text in having]
    for one, other in (("good", "bad"), ("great", "poor")):
        others = [text.replace(f" {one} ", " # ").replace(f" {other} ", f" {one} ").replace(" # ", f" {other} ") for text in others]
    answers = [[prediction["label"] for prediction in package.load(done).predict(side)] for side in (having, others)]
    changed = sum(one != other for one, other in zip(*answers, strict=True))
    assert found["swap"]["changed"] == changed
    assert found["swap"]["share"] == pytest.approx(changed / len(having))
    assert (
        f"{len(having)} of 60 rows have words that were swapped"
        in tunesmith("audit", "done", "--swap", "pairs.txt", "--data", "reviews.csv").out
    )
    (here / "none.txt").write_text("queen, king\n")
    assert "no row has one of the words" in tunesmith("audit", "done", "--swap", "none.txt").err


def test_what_cannot_be_audited(tunesmith: Command, done: Path) -> None:
    assert "nothing says which group a row is of" in tunesmith("audit", "done").err
    assert "there is no column 'sauce'" in tunesmith("audit", "done", "--group", "sauce").err
    assert "the rows have no column 'sauce'" in tunesmith("audit", "done", "--data", "reviews.csv", "--group", "sauce").err
