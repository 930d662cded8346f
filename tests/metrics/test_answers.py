"""Exact match and F1 beside what the official scripts of SQuAD and CMRC say (``tests/reference/answers.py``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.metrics.answers import SCORING, answers, best_threshold, squad_1, squad_2

REFERENCE: dict[str, Any] = json.loads(Path(__file__).parents[1].joinpath("reference/answers.json").read_text(encoding="utf-8"))
ENGLISH, CHINESE = REFERENCE["english"], REFERENCE["chinese"]
CASES = {
    "squad_1": ([case for case in ENGLISH if case[1]], REFERENCE["squad_1"]),
    "squad_2": (ENGLISH, REFERENCE["squad_2"]["scores"]),
    "cmrc": (CHINESE, REFERENCE["cmrc"]),
}


@pytest.mark.parametrize(("scoring", "case"), [(scoring, case) for scoring, (cases, _) in CASES.items() for case in range(len(cases))])
def test_as_the_official_scripts(scoring: str, case: int) -> None:
    cases, expected = CASES[scoring]
    answer, truths = cases[case]
    assert SCORING[scoring](answer, truths) == pytest.approx(tuple(expected[case]), abs=1e-12)


def test_the_reference_tells_the_scripts_apart() -> None:
    """A case in which SQuAD 1.1 and 2.0 differ, so that a mix-up is seen."""
    assert squad_1("a", ["The", "a dog"]) == (1.0, 0.0)
    assert squad_2("a", ["The", "a dog"]) == (0.0, 0.0)


def test_the_best_threshold_is_that_of_the_official_script() -> None:
    best, threshold = REFERENCE["squad_2"]["best"]
    found = best_threshold([answer for answer, _ in ENGLISH], [truths for _, truths in ENGLISH], REFERENCE["doubts"], "squad_2")
    assert found["best_f1"] == pytest.approx(best)
    assert found["best_threshold"] == threshold


def test_it_may_be_best_to_withhold_all() -> None:
    assert best_threshold(["a b", "c d"], [[], []], [0.3, 0.2], "squad_2") == {"best_f1": 1.0, "best_threshold": pytest.approx(-0.8)}
    assert best_threshold([], [], [], "squad_2") == {}


def test_means_over_all_and_over_each_kind() -> None:
    found = answers(["Paris", "", "in Rome", "x"], [["Paris"], [], ["Rome"], []], "squad_2")
    assert found["exact_match"] == 0.5
    assert found["f1"] == pytest.approx((1 + 1 + 2 / 3 + 0) / 4)
    assert found["per_kind"]["unanswerable"] == {"f1": 0.5, "exact_match": 0.5, "rows": 2}
    assert found["per_kind"]["answerable"]["rows"] == 2
    assert "per_kind" not in answers(["Paris"], [["Paris"]], "squad_1")
