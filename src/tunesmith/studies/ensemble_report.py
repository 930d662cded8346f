"""An ensemble for people: its members, what each weighs, and what is gained over the best of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.report import numbers
from tunesmith.studies.single import difference

HOW = {
    "vote": "the majority of their votes",
    "average": "the mean of their predictions",
    "weighted": "the mean of their predictions, by weights fitted to the validation rows",
    "soup": "the mean of their weights",
    "greedy_soup": "the mean of the weights of those that help on the validation rows",
}


def told(scores: Mapping[str, Any]) -> str:
    """How far apart the members are, where they differ in their seed alone, and the ensemble against its best member."""
    metric, own = scores["primary"], scores["ensemble"]
    whole, best = (numbers.value(metric, found.get(metric)) for found in (scores["tuned"], scores["baselines"][own["best"]]))
    delta, interval = difference({"primary": metric, "gain": own["gain"]})
    sides = f"Together {numbers.title(metric)} is {whole}, of the best member, {own['best']}, {best}"
    return f"{luck(metric, own) if 'spread' in own else ''}{sides}: {delta}, 95% interval {interval}."


def luck(metric: str, own: Mapping[str, Any]) -> str:
    """How far apart the members are; of a sequence also in what is kept of all stages."""
    parts = own.get("sequence", {}).items()
    measures = [f"{name.replace('_', ' ').capitalize()} of the sequence is {between(metric, found)}" for name, found in parts]
    return ". ".join([f"With {len(own['weights'])} seeds {numbers.title(metric)} is {between(metric, own['spread'])}", *measures, ""])


def between(metric: str, spread: Mapping[str, float]) -> str:
    mean, deviation, lowest, highest = (numbers.value(metric, spread[name]) for name in ("mean", "deviation", "lowest", "highest"))
    return f"{lowest} to {highest}, on average {mean}, standard deviation {deviation}"


def table(scores: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headers and rows: each member, its score, its weight, and how much it agrees with the others on average."""
    own, metric = scores["ensemble"], scores["primary"]
    others = [(sum(row) - 1) / max(1, len(row) - 1) for row in own["agreement"]]
    head = ["member", numbers.title(metric), "weight", "agrees with others"]

    def row(name: str, weight: float, agrees: float) -> list[str]:
        return [name, numbers.value(metric, scores["baselines"][name].get(metric)), f"{weight:.2f}", numbers.share(agrees)]

    return head, [row(name, weight, agrees) for (name, weight), agrees in zip(own["weights"].items(), others, strict=True)]


def section(scores: Mapping[str, Any], links: Mapping[str, str]) -> dict[str, Any]:
    """The members as a section of the report; ``links`` lead to the report of each."""
    head, rows = table(scores)
    columns = [{"name": head[0]}, *({"name": name, "format": "figure"} for name in head[1:])]
    about = f"The tuned model of this page is {HOW[scores['ensemble']['how']]}. {told(scores)}"
    return {
        "title": "Members",
        "kind": "table",
        "data": {"columns": columns, "rows": rows, "links": links},
        "about": about,
        "group": "Ensemble",
        "wide": True,
    }
