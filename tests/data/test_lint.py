"""Odd data is found, and sound data is not."""

from __future__ import annotations

import pytest

from tunesmith.data.lint import lint, untested
from tunesmith.data.load import load
from tunesmith.data.settings import DataSettings
from tunesmith.tasks.extractive_qa import ExtractiveQa
from tunesmith.tasks.sequence_to_sequence import SequenceToSequence
from tunesmith.tasks.token_classification import TokenClassification


def findings(task, train: list[dict[str, str]], test: object = None, **settings: object) -> dict[tuple[str, str], tuple[int, str]]:
    data = load(DataSettings(train, None, test, **settings), task, 0)
    return {(finding.split, finding.kind): (finding.count, str(finding)) for finding in lint(data)}


def test_sound_data_has_no_findings(task, rows) -> None:
    assert findings(task, rows(40), [{"text": "new", "label": "good"}, {"text": "newer", "label": "bad"}]) == {}


def test_rows_that_are_trained_and_judged_on_are_told(task, rows) -> None:
    (found,) = untested(load(DataSettings(rows(40), None, None), task, 0))
    assert "will say nothing about new data. Give data.validation or data.test" in str(found)
    assert not untested(load(DataSettings(rows(40), "10%", None), task, 0))


def test_leakage_is_found_in_any_spelling(task, rows) -> None:
    found = findings(task, rows(40), [{"text": " TEXT  number 3", "label": "good"}, {"text": "new", "label": "bad"}])
    assert found[("test", "leakage")] == (
        1,
        "test: 1 row also in train, so scores will be too good (<rows>:1). Remove them from one of the two.",
    )


def test_repeated_texts(task, rows) -> None:
    found = findings(task, [*rows(40), *rows(2), {"text": "Text number 5", "label": "bad"}])
    assert found[("train", "duplicates")] == (
        3,
        "train: 3 rows repeat an earlier one (<rows>:41, <rows>:42, <rows>:43). Remove them, unless they are meant.",
    )
    assert "1 row repeats an earlier one" in findings(task, [*rows(40), *rows(1)])[("train", "duplicates")][1]
    assert found[("train", "contradictions")][0] == 2
    assert "<rows>:6, <rows>:43" in found[("train", "contradictions")][1]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [(["a"] * 20, "one_class"), (["a"] * 20 + ["b"] * 2, "few_rows"), (["a"] * 120 + ["b"] * 5, "imbalance")],
)
def test_labels(task, labels: list[str], kind: str) -> None:
    assert set(findings(task, [{"text": f"text {i}", "label": label} for i, label in enumerate(labels)])) == {("train", kind)}


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        (SequenceToSequence, {"instruction": "what is {}", "output": "x"}),
        (ExtractiveQa, {"question": "who is {}", "context": "Bob is {}", "answers": {"text": ["Bob"], "answer_start": [0]}}),
        (TokenClassification, {"text": "Bob is {}", "tags": [[0, 3, "PER"]]}),
    ],
)
def test_texts_and_places_in_them_are_no_labels(kind, columns: dict[str, object]) -> None:
    given = [{name: value.format(i) if isinstance(value, str) else value for name, value in columns.items()} for i in range(30)]
    assert findings(kind(), given) == {}


def test_a_label_that_is_not_judged(task, rows) -> None:
    found = findings(task, rows(40), [{"text": f"new {i}", "label": "good"} for i in range(4)])
    assert found[("test", "unjudged")] == (1, "test: no row has the label bad. Add some, or nothing is known of it.")


def test_odd_texts(task, rows) -> None:
    found = findings(task, [*rows(40), {"text": "?!", "label": "good"}, {"text": "long " * 100, "label": "bad"}])
    assert set(found) == {("train", "wordless"), ("train", "long")}


def test_skipped_rows(task, rows) -> None:
    found = findings(task, [*rows(40), {"text": "", "label": "good"}], on_bad_row="skip")
    assert found[("data", "skipped")] == (1, "data: 1 bad row left out (<rows>:41). Mend them to use them.")
