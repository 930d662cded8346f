"""Sections on the making, as data."""

from __future__ import annotations

from dataclasses import replace

from tunesmith.report import making
from tunesmith.report.facts import Facts


def test_dropped_rows_stand_out(facts: Facts) -> None:
    section = making.rows(facts)
    assert section is not None
    assert [(item["label"], item["tone"]) for item in section.data["items"]][-1] == ("skipped", "bad")
    section = making.rows(replace(facts, rows={"train": 4, "skipped": 0}))
    assert section is not None
    assert [item["text"] for item in section.data["items"]] == ["4 (100.0%)"]


def test_what_learns_is_drawn_head_first(facts: Facts) -> None:
    section = making.parameters(facts)
    assert section is not None
    assert [(item["label"], item["value"], item["text"]) for item in section.data["items"]] == [
        ("head", 1.0, "155.5 k · rate × 1"),
        ("layer 1", 1.0, "1.8 M · rate × 0.9"),
        ("embeddings", 0.0, "frozen · 11.9 M"),
    ]
    part = [{"part": "layer 1", "total": 2_000_000, "learning": 20_000}]
    section = making.parameters(replace(facts, parameters=part))
    assert section is not None
    assert section.data["items"][0]["text"] == "20.0 k of 2.0 M"


def test_cut_rows_are_counted_and_none_is_said(facts: Facts) -> None:
    section = making.lengths(facts)
    assert section is not None
    assert section.about == "52 of 400 rows were cut, by task.max_length 128 or what the model takes."
    section = making.lengths(replace(facts, truncated=0, max_length=None))
    assert section is not None
    assert (section.about, section.data["line"]) == ("No row was cut.", None)


def test_inner_tables_of_the_environment_are_laid_out() -> None:
    assert list(making.flat({"a": 1, "b": {"c": 2.5, "d": "x"}})) == [("a", "1"), ("c", "2.5"), ("d", "x")]


def test_rows_that_are_changed_are_shown_before_and_after(facts: Facts) -> None:
    assert making.changes(replace(facts, changes=[])) is None
    section = making.changes(replace(facts, changes=[{"strategy": "augment", "before": "a good film", "after": "a film good"}]))
    assert section is not None
    assert section.data["items"] == [{"name": "augment", "text": "a good film", "more": [("becomes", "a film good")]}]


def test_what_is_said_in_the_end_is_of_the_last_step() -> None:
    events = [{"event": "say", "step": 0, "text": "hello"}, {"event": "say", "step": 41, "text": "a map"}, {"event": "end", "step": 40}]
    assert making.said(events) == ["hello", "step 40: a map"]


def test_a_licence_that_is_not_known_has_no_row(facts: Facts) -> None:
    section = making.environment(replace(facts, licences={"bert": "", "sentiment": "CC-BY-4.0"}))
    assert section is not None
    assert [name for name, _ in section.data["items"] if name.startswith("licence")] == ["licence of sentiment"]


def test_the_log_has_an_end(facts: Facts) -> None:
    said = [{"event": "say", "step": step, "text": f"line {step}"} for step in range(500)]
    section = making.sayings(replace(facts, events=said))
    assert section is not None
    assert section.data["items"][:2] == ["line 0", "step 1: line 1"]
    assert len(section.data["items"]) == making.SAYINGS
