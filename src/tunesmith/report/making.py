"""Sections on the making: data, strategies, what learned, how to repeat it, where it ran."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tunesmith.report import numbers
from tunesmith.report.facts import Facts, Section

DATA, MAKING = "Data", "Making"
SAYINGS = 200  # lines of the run's log that are kept


def rows(facts: Facts) -> Section | None:
    total = sum(facts.rows.values())
    items = [
        {
            "label": use,
            "value": number,
            "text": f"{number:,} ({numbers.share(number / total)})",
            "tone": "bad" if use == "skipped" else "tuned" if use == "train" else "second",
        }
        for use, number in facts.rows.items()
        if number
    ]
    return Section("Rows used and dropped", "bars", {"items": items}, ", ".join(facts.datasets), DATA) if items else None


def lengths(facts: Facts) -> Section | None:
    if not facts.lengths:
        return None
    about = f"{facts.truncated:,} of {len(facts.lengths):,} rows were cut, by {facts.bounds}." if facts.truncated else "No row was cut."
    line = {"at": facts.max_length, "label": f"max_length {facts.max_length}"} if facts.max_length else None
    return Section("Length in tokens", "histogram", {"values": facts.lengths, "x": "tokens", "line": line}, about, DATA)


def changes(facts: Facts) -> Section | None:
    """Rows as strategies change them."""
    items = [{"name": change["strategy"], "text": change["before"], "more": [("becomes", change["after"])]} for change in facts.changes]
    about = "Some training rows, and what the model was shown in their place for a share of the time. Labels stay."
    return Section("Augmented rows", "texts", {"items": items, "length": 300}, about, DATA, wide=True) if items else None


def remarks(facts: Facts) -> Section | None:
    return Section("Remarks on the data", "notes", {"items": facts.notes}, "", DATA, wide=True) if facts.notes else None


def strategies(facts: Facts) -> Section | None:
    items = [
        {
            "name": of_parts(strategy) + strategy["name"],
            "text": strategy.get("summary", ""),
            "tags": [(name, setting, "plain") for name, setting in strategy.get("settings", {}).items()],
        }
        for strategy in facts.strategies
    ]
    return Section("Strategies", "texts", {"items": items}, "Outermost first.", MAKING) if items else None


def of_parts(strategy: Mapping[str, Any]) -> str:
    """What stands before the name of a strategy: the parts of the run that have it, where not all do."""
    return f"{', '.join(strategy['parts'])}: " if strategy.get("parts") else ""


def parameters(facts: Facts) -> Section | None:
    """What learns, drawn as the model stands: the head on top, embeddings at the bottom."""
    items = [
        {"label": part["part"], "value": part["learning"] / (part["total"] or 1), "text": _learning(part), "tone": "tuned"}
        for part in reversed(facts.parameters)
    ]
    return Section("What learns", "bars", {"items": items, "high": 1.0}, facts.model_about, MAKING) if items else None


def _learning(part: Mapping[str, Any]) -> str:
    if not part["learning"]:
        return f"frozen · {numbers.compact(part['total'])}"
    some = numbers.compact(part["learning"]) + ("" if part["learning"] == part["total"] else f" of {numbers.compact(part['total'])}")
    return f"{some} · rate × {part['rate']:.3g}" if part.get("rate") is not None else some


def recipe(facts: Facts) -> Section | None:
    return Section("Recipe", "code", {"text": facts.recipe_text}, "", MAKING) if facts.recipe_text else None


def command(facts: Facts) -> Section | None:
    return Section("Repeat it", "code", {"text": facts.command}, "", MAKING, wide=True) if facts.command else None


def environment(facts: Facts) -> Section | None:
    items = [*flat(facts.environment), *(("licence of " + name, licence) for name, licence in facts.licences.items() if licence)]
    return Section("Environment and licences", "pairs", {"items": items}, "", MAKING) if items else None


def flat(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Entries as text, those of inner dictionaries in their place."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value)
        else:
            yield name, str(value)


def sayings(facts: Facts) -> Section | None:
    found = said(facts.events)
    data = {"items": found[:SAYINGS], "folded": True}
    return Section("What the run said", "notes", data, "", MAKING, wide=True) if found else None


def said(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the run said, with the step before which it did; after the last one, with that."""
    last = next((event["step"] for event in events if event.get("event") == "end"), math.inf)
    return [
        f"step {min(event['step'], last)}: {event['text']}" if event.get("step") else event["text"]
        for event in events
        if event.get("event") == "say"
    ]
