"""Facts are plain values, and few of them are needed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from tunesmith.report.facts import Facts, Section


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
