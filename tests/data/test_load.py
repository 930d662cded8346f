"""The data of a run: splits, labels, checks, and what is said about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.core.errors import InputError
from tunesmith.data.lint import lint
from tunesmith.data.load import Data, load
from tunesmith.data.settings import DataSettings
from tunesmith.tasks.sequence_to_sequence import SequenceToSequence
from tunesmith.tasks.token_classification import TokenClassification


def texts(data: Data) -> dict[str, set[str]]:
    return {split: set(examples.rows.column("text")) for split, examples in data.splits().items()}


def test_a_tenth_validates_where_nothing_is_said(task, rows) -> None:
    data = load(DataSettings(rows(100)), task, seed=0)
    assert {split: len(examples) for split, examples in data.splits().items()} == {"train": 90, "validation": 10}
    assert task.labels == ["bad", "good"]
    assert sorted(example["label"] for example in data.validation) == [0] * 5 + [1] * 5
    assert data.notes == [
        "columns: text <- text, label <- label",
        "validation: 10 rows (10% of the training rows), held out by a hash of the text, stratified by label",
        "rows: train 90, validation 10",
    ]


def test_shares_are_of_all_rows_and_do_not_disturb_each_other(task, rows) -> None:
    both = texts(load(DataSettings(rows(100), "20%", 0.1), task, 0))
    assert {split: len(found) for split, found in both.items()} == {"train": 70, "validation": 20, "test": 10}
    assert len(set.union(*both.values())) == 100
    assert texts(load(DataSettings(rows(100), "5%", 0.1), task, 0))["test"] == both["test"]
    assert texts(load(DataSettings(rows(100), None, None), task, 0)).keys() == {"train"}


def test_files_beside_the_training_rows_are_found(task, rows, write, tmp_path: Path) -> None:
    for name, some in (("train", rows(30)[:20]), ("valid", rows(30)[20:25]), ("test", rows(30)[25:])):
        write(f"set/{name}.jsonl", some)
    data = load(DataSettings("set"), task, 0, tmp_path)
    assert {split: len(examples) for split, examples in data.splits().items()} == {"train": 20, "validation": 5, "test": 5}
    assert "validation: set/valid.jsonl (found beside the training data)" in data.notes
    assert len(load(DataSettings("set", "20%", None), task, 0, tmp_path).validation) == 4


def test_files_for_every_split_may_name_their_columns_differently(task, rows, write, tmp_path: Path) -> None:
    write("a.csv", "review,stars\nfine,5\ndull,1\n")
    write("b.csv", "class,sentence\n5,well\n")
    data = load(DataSettings("a.csv", "b.csv"), task, 0, tmp_path)
    assert data.columns == {"text": "review", "label": "stars"}
    assert data.notes[:2] == ["columns: text <- review, label <- stars", "validation columns: text <- sentence, label <- class"]
    assert data.validation.raw(0) == {"text": "well", "label": "5"}
    assert data.validation[0] == {"text": "well", "label": 1}
    assert data.validation.place(0) == (str(tmp_path / "b.csv"), 2)


BAD = 'review,stars\nfine,5\n,5\ndull\nbad,1\n"good",\n'


def test_all_problems_come_at_once_in_the_order_of_the_files(task, write, tmp_path: Path) -> None:
    write("a.csv", BAD)
    write("b.csv", "review,stars\nwell,7\nwell,5\n")
    with pytest.raises(InputError) as caught:
        load(DataSettings("a.csv", "b.csv"), task, 0, tmp_path)
    assert [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems] == [
        "a.csv:3 review: the cell is empty. Fill it, or leave the row out.",
        "a.csv:4: the row has 1 cell, the header 2. Quote a cell that holds a comma, a quote or a line end.",
        "a.csv:6 stars: the cell is empty. Fill it, or leave the row out.",
        "b.csv:2 stars: '7' is not a known label. Correct it.",
    ]


def test_bad_rows_may_be_skipped_and_are_listed(task, write, tmp_path: Path) -> None:
    write("a.csv", BAD)
    write("b.csv", "review,stars\nwell,7\nwell,5\n")
    data = load(DataSettings("a.csv", "b.csv", on_bad_row="skip"), task, 0, tmp_path)
    assert texts(data) == {"train": {"fine", "bad"}, "validation": {"well"}}
    assert [problem.line for problem in data.skipped] == [3, 4, 6, 2]
    assert data.notes[-1] == "rows: train 2, validation 1; 4 bad rows left out"
    write("b.csv", "review,stars\nwell,7\n")
    with pytest.raises(InputError, match="no row of validation can be used"):
        load(DataSettings("a.csv", "b.csv", on_bad_row="skip"), task, 0, tmp_path)


def test_several_files_with_faults_are_all_named(task, write, tmp_path: Path) -> None:
    write("a.csv", "id,stars\n1,5\n")
    with pytest.raises(InputError) as caught:
        load(DataSettings("a.csv", "none.csv"), task, 0, tmp_path)
    assert [Path(problem.file).name for problem in caught.value.problems] == ["a.csv", "none.csv"]


def test_labels_get_names(task, rows) -> None:
    numbered = [{"text": row["text"], "label": int(row["label"] == "good")} for row in rows(20)]
    data = load(DataSettings(numbered, labels={0: "sad", "1": "glad"}), task, 0)
    assert task.labels == ["glad", "sad"]
    assert {row["label"] for row in data.train.rows} == {"glad", "sad"}
    with pytest.raises(InputError, match=r"data.labels.2: no training row has this label"):
        load(DataSettings(numbered, labels={"0": "sad", "2": "glad"}), task, 0)


def test_columns_may_be_mapped(task) -> None:
    given = [{"body": f"text {i}", "text": "no", "label": "a"} for i in range(4)]
    assert texts(load(DataSettings(given, "25%", columns={"text": "body"}), task, 0))["train"] < {row["body"] for row in given}


def test_fewer_rows_are_always_among_more(task, rows) -> None:
    some, more = (texts(load(DataSettings(rows(100), max_rows=most), task, 0)) for most in (10, 30))
    assert len(some["train"]) == 10
    assert some["train"] < more["train"]
    assert some["validation"] == more["validation"]
    assert task.labels == ["bad", "good"]


def test_the_fingerprint_is_of_what_is_used(task, rows, write, tmp_path: Path) -> None:
    def fingerprint(settings: DataSettings) -> str:
        return load(settings, task, 0, tmp_path).fingerprint

    write("a.jsonl", [{"id": 1, **row} for row in rows(20)])
    write("b.csv", "sentence,class\n" + "".join(f"{row['text']},{row['label']}\n" for row in rows(20)))
    assert fingerprint(DataSettings("a.jsonl")) == fingerprint(DataSettings("b.csv"))
    assert fingerprint(DataSettings("a.jsonl")) != fingerprint(DataSettings("a.jsonl", "20%"))
    assert fingerprint(DataSettings(rows(20))) != fingerprint(DataSettings(rows(21)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"validation": "0%"}, "data.validation: '0%' is not a share of the training rows"),
        ({"validation": 500}, "data.validation: '500' is not a share"),
        ({"validation": "60%", "test": "60%"}, "validation and test take all rows"),
        ({"train": [{"text": "a", "label": "x"}]}, "<rows>: 10% of 1 training row leaves nothing for validation. Give more rows"),
        (
            {"train": [{"review": "a", "label": "xy"[i % 2]} for i in range(40)]},
            "40 training rows leaves nothing for validation: all have the same text in column 'review'. Name another column",
        ),
        (
            {"train": [{"text": "ab"[i % 2], "remark": "x", "label": "xyz"[i % 3]} for i in range(40)]},
            "nothing for validation: they have only 2 different texts in columns 'text' and 'remark'. Name another",
        ),
    ],
)
def test_shares_that_cannot_be(task, rows, settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(DataSettings(**{"train": rows(10), **settings}), task, 0)


def test_shots_are_rows_of_each_label_and_fewer_are_among_more(task, rows) -> None:
    eight, two = (load(DataSettings(rows(100), shots=shots), task, 0) for shots in (8, 2))
    assert sorted(example["label"] for example in eight.train) == [0] * 8 + [1] * 8
    assert "shots: 16 of 90 training rows are used, 8 of each of 2 labels" in eight.notes
    assert texts(two)["train"] < texts(eight)["train"]
    assert len(eight.validation) == 10
    assert texts(load(DataSettings(rows(100), shots=2), task, 1))["train"] != texts(two)["train"]


def test_labels_with_fewer_rows_than_shots_are_told(task) -> None:
    given = [{"text": f"text {i}", "label": "good" if i < 3 else "bad"} for i in range(40)]
    data = load(DataSettings(given, None, shots=5), task, 0)
    assert len(data.train) == 8
    assert "shots: fewer rows have good (3)" in data.notes


def test_only_labels_of_whole_rows_are_held_out_in_proportion_and_drawn(rows) -> None:
    given = [{"source": row["text"], "target": row["label"]} for row in rows(100)]
    data = load(DataSettings(given), SequenceToSequence(), 0)
    assert data.notes[1] == "validation: 10 rows (10% of the training rows), held out by a hash of the text"
    with pytest.raises(InputError, match="the rows have none"):
        load(DataSettings(given, shots=2), SequenceToSequence(), 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_row_with_a_tag_that_no_other_has_is_not_held_out(seed: int) -> None:
    given = [{"text": ["in", f"place{i}"], "tags": ["O", f"B-KIND{i}" if i % 2 else "B-PLACE"]} for i in range(20)]
    data = load(DataSettings(given, validation="30%"), TokenClassification(), seed)
    assert 0 < len(data.validation) <= 6
    assert len(data.train) + len(data.validation) == 20


@pytest.mark.parametrize(("how", "left"), [("exact", {"a good film of the year", "a dull film"}), ("near", {"a dull film"})])
def test_rows_that_repeat_others_are_left_out(task, how: str, left: set[str]) -> None:
    train = ["A good film of the year!", "a good film of the year", "a dull film", "A dull  film"]
    given = [{"text": text, "label": "good" if "good" in text else "bad"} for text in train]
    judged = [{"text": "a good film of the year!", "label": "good"}, {"text": "no", "label": "bad"}]
    if how == "near":
        given += [{"text": "nothing like it", "label": "good"}]
        left = left | {"nothing like it"}
    data = load(DataSettings(given, judged, deduplicate=how), task, 0)
    assert texts(data)["train"] == left
    assert len(data.validation) == 2
    earlier, judged = {"exact": ("1 repeat", "1 repeat"), "near": ("1 near repeat", "2 near repeats")}[how]
    assert f"deduplicate: {earlier} of an earlier training row and {judged} of a row of another split left out" in data.notes


def test_a_named_column_of_groups_goes_along(task, write) -> None:
    train = [{"text": f"word {row}", "label": "ab"[row % 2], "source": f"site {row % 3}"} for row in range(30)]
    train += [{**train[0], "source": "site 9"}]  # it repeats the first: a group is nothing that is asked
    files = {"train": str(write("train.jsonl", train)), "test": str(write("test.jsonl", [{"text": "other", "label": "a"}]))}
    data = load(DataSettings(**files, validation=None, columns={"group": "source"}, deduplicate="exact"), task, 0)
    assert data.train.rows.column("group") == [row["source"] for row in train[:30]]
    assert data.test is not None
    assert "group" not in data.test.rows.columns
    assert "groups: test has no column 'source'" in data.notes
    files["test"] = str(write("grouped.jsonl", [{"text": "other", "label": "a", "source": "site 2"}]))
    grouped = load(DataSettings(**files, validation=None, columns={"group": "source"}), task, 0).test
    assert grouped is not None
    assert grouped.rows.column("group") == ["site 2"]
    with pytest.raises(InputError, match=r"there is no column 'sauce'. Did you mean 'source'\?"):
        load(DataSettings(**files, columns={"group": "sauce"}), task, 0)
    empty = [*train[:3], {**train[3], "source": ""}]
    with pytest.raises(InputError, match=r":4 source: the cell is empty"):
        load(DataSettings(train=str(write("empty.jsonl", empty)), columns={"group": "source"}), task, 0)


def test_further_tests_are_read_and_checked_like_the_others(task, rows, write, tmp_path: Path) -> None:
    write("a.csv", "text,label\nfine,5\ndull,1\nwell,5\npoor,1\n")
    write("b.csv", "class,sentence\n5,lovely\n1,fine\n")
    data = load(DataSettings("a.csv", None, None, {"target": "b.csv"}), task, 0, tmp_path)
    assert list(data.splits()) == ["train"]
    assert list(data.judged()) == ["train", "target"]
    assert list(data.tests["target"]) == [{"text": "lovely", "label": 1}, {"text": "fine", "label": 0}]
    assert data.notes[-2:] == ["target columns: text <- sentence, label <- class", "rows: train 4, target 2"]
    plain = load(DataSettings("a.csv", None, None), task, 0, tmp_path)
    assert plain.fingerprint != data.fingerprint
    assert [finding.kind for finding in lint(data)].count("leakage") == 1 + [finding.kind for finding in lint(plain)].count("leakage")
    write("b.csv", "class,sentence\n7,lovely\n")
    with pytest.raises(InputError, match=r"b.csv:2 class: '7' is not a known label"):
        load(DataSettings("a.csv", None, None, {"target": "b.csv"}), task, 0, tmp_path)
    with pytest.raises(InputError, match=r"data.tests.target: .*nowhere.csv"):
        load(DataSettings("a.csv", None, None, {"target": "nowhere.csv"}), task, 0, tmp_path)


def test_a_row_may_be_in_two_sets_to_judge_by(task, rows) -> None:
    held = rows(40)[30:]
    findings = lint(load(DataSettings(rows(40)[:30], None, held, {"half": held[:5]}), task, 0))
    assert "leakage" not in [finding.kind for finding in findings]
