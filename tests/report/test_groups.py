"""Groups on the page and in the terminal: tables, and loud words where tuning widened a gap."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tunesmith.report import groups
from tunesmith.report.facts import Facts
from tunesmith.report.page import page
from tunesmith.report.table import verdict_lines

RATES = {"selection": {"yes": 0.5}, "true_positive": {"yes": 0.75}, "false_positive": {"yes": None}}


def gap(value: float | None) -> dict[str, Any]:
    return {"value": value, "ci95": None if value is None else [value, value + 0.1]}


@pytest.fixture
def audited(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores with groups: opportunity is wider, surely; parity is, perhaps; the ratio is not defined."""
    by_group = {"women": {"rows": 60, "accuracy": 0.9, **RATES}, "men": {"rows": 12, "accuracy": None, **RATES}}
    gaps = {measure: gap(0.2) for measure in groups.MEASURES} | {"demographic_parity_ratio": gap(None)}
    change = {measure: {"delta": 0.0, "ci95": [0.0, 0.0]} for measure in groups.MEASURES} | {
        "equal_opportunity_difference": {"delta": 0.15, "ci95": [0.05, 0.25]},
        "demographic_parity_difference": {"delta": 0.02, "ci95": [-0.05, 0.09]},
        "worst_group_accuracy": {"delta": 0.3, "ci95": [0.2, 0.4]},
        "demographic_parity_ratio": {"delta": None, "ci95": None},
    }
    own = {"by_group": by_group, "gaps": gaps}
    return {**scores, "groups": {"labels": ["yes"], "too_small": {"men": 12}, "base": own, "tuned": own, "change": change}}


def test_a_gap_that_grew_is_told_loudly_and_what_is_better_is_not(audited: dict[str, Any]) -> None:
    lines = groups.warnings(audited)
    assert lines == [
        "TUNING WIDENED A GAP BETWEEN GROUPS: equal opportunity, difference, from 20.0% to 20.0%: +15.0 points, 95% interval +5.0 to +25.0",
        "Tuning may have widened gaps between groups, but these intervals include zero: demographic parity, difference (20.0% to 20.0%)",
        "Groups with too few rows to be compared: men (12)",
    ]
    assert set(lines) <= set(verdict_lines(audited))
    by_chance = groups.warnings({**audited, "base_is": "chance"})
    assert any("by chance" in line for line in by_chance)


def test_the_page_has_groups_and_gaps(audited: dict[str, Any], facts: Facts) -> None:
    shown = replace(facts, scores=audited)
    html = page(shown)
    assert "Group by group" in html
    assert "TUNING WIDENED A GAP BETWEEN GROUPS" in html
    table = groups.by_group(shown)
    assert table is not None
    assert [column["name"] for column in table.data["columns"]][2:5] == ["accuracy base", "accuracy tuned", "given yes"]
    assert table.data["rows"] == [["women", 60, "90.0%", "90.0%", 0.5, 0.75, None], ["men", 12, "–", "–", 0.5, 0.75, None]]
    found = groups.gaps(shown)
    assert found is not None
    rows = {row[0][:-2]: row[1:] for row in found.data["rows"]}
    assert rows[groups.MEASURES["demographic_parity_ratio"]] == ["–", "–", "–"]
    assert rows[groups.MEASURES["equal_opportunity_difference"]][1:] == ["20.0% (20.0% to 30.0%)", "+15.0 (+5.0 to +25.0)"]


def test_many_labels_and_no_base(audited: dict[str, Any], facts: Facts) -> None:
    del audited["groups"]["base"]
    audited["groups"] |= {"labels": list("abcd"), "change": {}}
    columns, rows = groups.group_table(audited)
    assert len(columns) == len(rows[0]) == 3
    assert [len(row) for row in groups.gap_table(audited)] == [2] * 7
    assert groups.warnings(audited) == ["Groups with too few rows to be compared: men (12)"]


def test_without_groups_there_is_nothing(facts: Facts) -> None:
    assert groups.by_group(facts) is groups.gaps(facts) is None
    assert groups.warnings(facts.scores) == []
