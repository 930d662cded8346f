"""Facts are plain values, and few of them are needed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from tunesmith.report.facts import Facts, Section, sizes_together


def test_name_and_task_are_enough() -> None:
    facts = Facts("reviews", "text_classification")
    assert not any(getattr(facts, field.name) for field in fields(Facts)[2:])


def test_every_fact_is_explained() -> None:
    plain = {"name", "task", "recipe_text", "model_about", "base_model", "datasets", "tokens_per_second", "environment"}
    named = {field.name for field in fields(Facts)} - plain
    assert {name for name in named if f"``{name}``" not in (Facts.__doc__ or "")} == set()


def test_facts_and_sections_do_not_change(facts: Facts) -> None:
    with pytest.raises(FrozenInstanceError):
        facts.name = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Section("a", "notes", {}).title = "b"  # type: ignore[misc]


def test_sizes_of_several_parts_are_those_of_all_rows() -> None:
    parts = [
        Facts("a", "t", lengths=[3, 8, 3], max_length=8, truncated=1, bounds="task.max_length 8"),
        Facts("b", "t", lengths=[5], max_length=16, truncated=0, bounds="task.max_length 16"),
    ]
    assert parts[0].sizes == {"lengths": {"3": 2, "8": 1}, "max_length": 8, "truncated": 1, "bounds": "task.max_length 8"}
    whole = sizes_together([part.sizes for part in parts])
    assert whole == {"lengths": [3, 3, 8, 5], "max_length": None, "truncated": 1, "bounds": "task.max_length 8"}
    assert sizes_together([parts[0].sizes] * 2)["max_length"] == 8
