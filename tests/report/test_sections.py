"""The order of sections, the chapters that tasks add to, and the rows that narrow sections share."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import pytest

from tunesmith.report.facts import Facts
from tunesmith.report.sections import sections


def test_tasks_place_their_sections_in_chapters(facts: Facts) -> None:
    extra = [
        {"title": "Spans", "kind": "table", "group": "Mistakes", "data": {"columns": [{"name": "a"}], "rows": [["b"]]}},
        {"title": "Generated", "kind": "texts", "data": {"items": [{"name": "prompt", "text": "x", "more": [("answer", "y")]}]}},
    ]
    found = [(section.group, section.title) for section in sections(replace(facts, sections=extra))]
    groups = [group for group, _ in found]
    assert groups == sorted(groups, key=["Scores", "Learning", "Mistakes", "Data", "Making", "More"].index)
    assert ("Mistakes", "Spans") in found
    assert found[-1] == ("More", "Generated")


@pytest.mark.parametrize("without", ["lengths", "parameters", "events", "rows"])
def test_a_narrow_section_is_never_alone_in_its_row(facts: Facts, without: str) -> None:
    rows = groupby(
        sections(replace(facts, **{without: {} if without == "rows" else ()})), key=lambda section: (section.group, section.wide)
    )
    assert all(wide or len(list(members)) % 2 == 0 for (_, wide), members in rows)
