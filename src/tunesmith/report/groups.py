"""Sections on the groups of the judged rows, and loud words where tuning treats them less alike than the base did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tunesmith.metrics.fairness import FAIRER_WHEN_HIGH, Interval, surely, widened
from tunesmith.report import numbers
from tunesmith.report.facts import Facts, Section
from tunesmith.report.outcome import SCORES
from tunesmith.report.verdict import by_chance

NOTABLE = 0.01  # a gap that grew by less is not worth a word
MEASURES = {
    "worst_group_accuracy": "accuracy of the worst group",
    "accuracy_difference": "accuracy, difference",
    "demographic_parity_difference": "demographic parity, difference",
    "demographic_parity_ratio": "demographic parity, ratio",
    "equal_opportunity_difference": "equal opportunity, difference",
    "equalised_odds_difference": "equalised odds, difference",
}
MEANING = (
    "Demographic parity compares how often a label is given; equal opportunity the same among rows that have it; equalised odds also among "
    "rows that have it not. All are between the groups that are furthest apart; ↓ is more alike when lower, ↑ when higher."
)
LABELS = 3  # with more labels than this, groups are shown without the rates of each
RATES = {"selection": "given {}", "true_positive": "given {} where right", "false_positive": "given {} where wrong"}

_CHANGE = partial(numbers.change, "accuracy")  # in points


def warnings(scores: Mapping[str, Any]) -> list[str]:
    """What nobody must overlook: gaps that grew, each loudly where that is sure; groups that could not be judged. Further tests follow."""
    further = [f"On {name}: {line}" for name, of in scores.get("tests", {}).items() for line in warnings(of)]
    return [*_warnings(scores), *further]


def _warnings(scores: Mapping[str, Any]) -> list[str]:
    found: Mapping[str, Any] = scores.get("groups", {})
    sure, unsure = [], []
    for measure, name in MEASURES.items():
        change = found.get("change", {}).get(measure)
        if change is None or change["ci95"] is None or widened(measure, _interval(change)) < NOTABLE:
            continue
        ends = " to ".join(numbers.share(found[model]["gaps"][measure]["value"]) for model in ("base", "tuned"))
        if surely(_interval(change)):
            points = f"{numbers.change('accuracy', change['delta'], unit=True)}, 95% interval {_ends(_CHANGE, change['ci95'])}"
            sure.append(f"TUNING WIDENED A GAP BETWEEN GROUPS: {name}, from {ends}: {points}")
        else:
            unsure.append(f"{name} ({ends})")
    lines = [
        *sure,
        *([f"Tuning may have widened gaps between groups, but these intervals include zero: {'; '.join(unsure)}"] if unsure else []),
    ]
    if lines and by_chance(scores):
        lines.append("The base answers by chance, alike for every group: judge the gaps of the tuned model by themselves")
    if small := found.get("too_small"):
        lines.append("Groups with too few rows to be compared: " + ", ".join(f"{name} ({rows})" for name, rows in small.items()))
    return lines


def by_group(facts: Facts) -> Section | None:
    if "groups" not in facts.scores:
        return None
    columns, rows = group_table(facts.scores)
    about = "Rates are those of the tuned model." if len(columns) > 2 + len(_models(facts.scores)) else ""
    return Section("Group by group", "table", {"columns": columns, "rows": rows}, about, SCORES, wide=True)


def gaps(facts: Facts) -> Section | None:
    if "groups" not in facts.scores:
        return None
    head, *rows = gap_table(facts.scores)
    columns = [{"name": name, **({"format": "figure"} if place else {})} for place, name in enumerate(head)]
    return Section(
        "Gaps between groups",
        "table",
        {"columns": columns, "rows": rows},
        " ".join([*(f"{line}." for line in warnings(facts.scores)), MEANING]),
        SCORES,
        wide=True,
    )


def group_table(scores: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[list[Any]]]:
    """The columns and rows of a table of groups, as ``figures.table`` takes them."""
    found, models, metric = scores["groups"], _models(scores), scores["primary"]
    labels = found["labels"] if len(found["labels"]) <= LABELS else []
    columns: list[dict[str, Any]] = [{"name": "group"}, {"name": "rows", "format": "count"}]
    columns += [{"name": f"{numbers.title(metric)} {model}", "format": "figure"} for model in models]
    columns += [{"name": title.format(label), "format": "share"} for label in labels for title in RATES.values()]
    rows = []
    for group, tuned in found["tuned"]["by_group"].items():
        own = [numbers.value(metric, found[model]["by_group"][group][metric]) for model in models]
        rows.append([group, tuned["rows"], *own, *(tuned[rate][label] for label in labels for rate in RATES)])
    return columns, rows


def gap_table(scores: Mapping[str, Any]) -> list[list[str]]:
    """The gaps of each model and how they changed, as text, the header first."""
    found, models = scores["groups"], _models(scores)
    table = [["measure", *(f"{model} (95% interval)" for model in models), *(["change (95% interval)"] if found["change"] else [])]]
    for measure, name in MEASURES.items():
        change = found["change"].get(measure)
        values = [_written(numbers.share, *found[model]["gaps"][measure].values()) for model in models]
        changed = [_written(_CHANGE, *change.values())] if change else []
        table.append([name + (" ↑" if measure in FAIRER_WHEN_HIGH else " ↓"), *values, *changed])
    return table


def _models(scores: Mapping[str, Any]) -> list[str]:
    return [model for model in ("base", "tuned") if model in scores["groups"]]


def _interval(change: Mapping[str, Any]) -> Interval:
    return Interval(change["delta"], *change["ci95"])


def _written(unit: Callable[[float], str], value: float | None, ci95: Sequence[float] | None) -> str:
    """A value with its interval; a dash where it is not defined."""
    if value is None:
        return "–"
    return unit(value) + (f" ({_ends(unit, ci95)})" if ci95 else "")


def _ends(unit: Callable[[float], str], ci95: Sequence[float]) -> str:
    return " to ".join(map(unit, ci95))
