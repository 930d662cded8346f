"""Rows from files, folders, samples, the hub and Python values."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tunesmith.core.errors import InputError
from tunesmith.data.source import beside, read, together
from tunesmith.samples import fetch

ROWS = [{"text": "good, indeed", "label": "a"}, {"text": "bad", "label": "b"}]


def test_lists_and_globs(write, tmp_path: Path) -> None:
    write("b.csv", "label,text\nb,two\n")
    write("a.csv", "text,label\none,a\n")
    rows, _ = read(["b.csv", "a.csv"], base=tmp_path)
    assert list(rows) == [{"label": "b", "text": "two"}, {"label": "a", "text": "one"}]
    assert [Path(rows.place(i)[0]).name for i in range(2)] == ["b.csv", "a.csv"]
    assert read("*.csv", base=tmp_path)[0].column("text") == ["one", "two"]
    assert read(f"{tmp_path}/[ab].csv")[0].column("text") == ["one", "two"]
    assert read([Path("a.csv"), "b.*"], base=tmp_path)[0].column("text") == ["one", "two"]
    write("c.csv", "review,label\nthree,a\n")
    with pytest.raises(InputError, match=r"c.csv: the columns differ from those of .*a.csv: review, text"):
        read("*.csv", base=tmp_path)


def test_the_problems_of_all_files_come_at_once(write, tmp_path: Path) -> None:
    write("a.jsonl", '{"text": 1}\n{"text"\n')
    write("b.csv", "text,text\n1,2\n")
    write("c.csv", "text\n")
    write("d.xlsx", "x")
    write("set/row.csv", "text\nbeside a folder, a name is no id of the hub\n")
    with pytest.raises(InputError) as caught:
        read(["a.jsonl", "b.csv", "c.csv", "d.xlsx", "e.jsonl", "none*.csv", "set/rows"], base=tmp_path)
    places = [str(problem).replace(str(tmp_path) + "/", "") for problem in caught.value.problems]
    assert places == [
        "b.csv:1 text: the header has this column twice. Rename one of them.",
        "c.csv: the file has no rows. Give a file with at least one.",
        "d.xlsx: the format '.xlsx' is not known. "
        "Give a file that ends in .csv .tsv .jsonl .ndjson .json .txt .conll .bio .iob .iob2 .bioes .conllu .parquet (.gz and .zst too).",
        "e.jsonl: there is no such file. Did you mean 'a.jsonl'?",
        "none*.csv: no file matches. Check the pattern.",
        "set/rows: there is no such file. Did you mean 'row.csv'?",
        "a.jsonl:2 8: the JSON ends in the middle. Write the rest, or remove it.",
    ]


def test_places_have_no_steps_up(write, tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    write("set/train.csv", "text,label\none,a\n")
    for spec in ("../set/train.csv", "../set", "../set/*.csv", "../set/."):
        assert read(spec, base=tmp_path / "recipes")[0].place(0) == (str(tmp_path / "set" / "train.csv"), 2)
    with pytest.raises(InputError, match=f"^{tmp_path}/set/tarin.csv: there is no such file. Did you mean 'train.csv'"):
        read("../set/tarin.csv", base=tmp_path / "recipes")


def test_bad_rows_may_be_left_out_but_not_all(write) -> None:
    rows, problems = read(write("a.jsonl", '{"text": 1}\n{"text"\n'), skip_bad=True)
    assert len(rows) == len(problems) == 1
    with pytest.raises(InputError, match=r"a.jsonl:1"):
        read(write("a.jsonl", '{"text"\n'), skip_bad=True)


@pytest.mark.parametrize(
    "spec",
    [
        ROWS,
        {"text": ["good, indeed", "bad"], "label": ["a", "b"]},
        pd.DataFrame(ROWS, index=[7, 8]),
        pa.Table.from_pylist(ROWS),
        datasets.Dataset.from_list(ROWS),
    ],
    ids=["list", "columns", "pandas", "arrow", "datasets"],
)
def test_values_of_python(spec: object) -> None:
    rows, _ = read(spec)
    assert list(rows) == ROWS
    assert rows.place(1) == ("<rows>", 2)


def test_missing_values_of_pandas_are_none() -> None:
    rows, _ = read(pd.DataFrame({"text": ["a", None], "score": [np.nan, 0.5], "kind": pd.Categorical(["x", "y"])}))
    assert list(rows) == [{"text": "a", "score": None, "kind": "x"}, {"text": None, "score": 0.5, "kind": "y"}]


def test_a_list_of_strings_is_texts_unless_the_first_names_a_file(write, tmp_path: Path) -> None:
    assert list(read(["a text", "b.csv"])[0]) == [{"text": "a text"}, {"text": "b.csv"}]
    assert len(read(["", "b"])[0]) == len(read(["long " * 1000, "b"])[0]) == 2
    with pytest.raises(InputError, match=r"'long long .* cannot be the name of a file. Put texts into a list"):
        read("long " * 1000)
    with pytest.raises(InputError, match=r"b.csv: there is no such file"):
        read(["b.csv", "a text"], base=tmp_path)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ([], "the data has no rows"),
        (3, "rows cannot be read from 3"),
        (None, "rows cannot be read from null"),
        ([{"text": "a"}, 3], "<rows>:2: a int is no row"),
        ([{"text": "a"}, {"text": object()}], "<rows>:2 text: a value of type object"),
        ([{"text": "\ud800"}], "<rows>:1 text: a character is only half there"),
        ({"text": ["a"], "label": []}, "the columns have different lengths: text 1, label 0"),
        (pd.DataFrame({"text": ["a", 1]}), "<rows>: the table cannot be read"),
    ],
)
def test_values_that_are_no_rows(spec: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(spec)


def test_a_folder_has_splits(write, tmp_path: Path) -> None:
    write("set/train-00000-of-00002.jsonl", '{"text": "one"}\n')
    write("set/train-00001-of-00002.jsonl", '{"text": "two"}\n')
    write("set/dev.csv", "text\nthree\n")
    write("set/test.jsonl", "")
    assert read("set", base=tmp_path)[0].column("text") == ["one", "two"]
    assert read(beside("set", "validation", tmp_path), base=tmp_path)[0].column("text") == ["three"]
    assert beside("set", "test", tmp_path) is None
    assert beside("set/dev.csv", "test", tmp_path) is None
    assert beside(ROWS, "test", tmp_path) is None
    write("other/reviews.csv", "text\nfour\n")
    with pytest.raises(InputError, match=r"other: there is no train file; there is reviews.csv. Name a file"):
        read("other", base=tmp_path)


def test_the_files_of_a_folder_together(write, tmp_path: Path) -> None:
    """A folder with a train file has splits, and stays what it is."""
    for name in ("b.csv", "a.csv", "test.csv"):
        write(f"set/{name}", f"text\n{name}\n")
    write("set/empty.csv", "")
    write("set/notes.md", "x")
    assert read(together("set", tmp_path))[0].column("text") == ["a.csv", "b.csv"]
    write("set/train.csv", "text\none\n")
    write("judged/test.csv", "text\none\n")
    for other in ("set", "judged", "set/a.csv", "x" * 5000, ROWS):
        assert together(other, tmp_path) == other


def test_a_sample_has_splits(write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("mood/train.jsonl", '{"text": "one"}\n')
    write("mood/test.jsonl", '{"text": "two"}\n')
    monkeypatch.setattr(fetch, "fetch", lambda name, say: tmp_path / name)
    assert read("sample:mood")[0].column("text") == ["one"]
    assert read("sample:mood/test")[0].column("text") == ["two"]
    assert beside("sample:mood", "test") == "sample:mood/test"
    assert beside("sample:mood", "validation") is None
    with pytest.raises(InputError, match=r"there is no validation file; there is test.jsonl, train.jsonl"):
        read("sample:mood/validation")
