"""Sections as figures: for each kind, from its plain data to what its template places on the page.

Text stands beside the drawings as HTML and is placed in percent, so that a figure can be as wide as a phone or a desk allows
while its letters keep their size.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tunesmith.report import numbers
from tunesmith.report.scale import Scale, finite, thin

Data = Mapping[str, Any]
Drawing = dict[str, Any]

MATRIX_LABELS = 30  # a larger confusion matrix shows the labels with the most mistakes
TEXT_LENGTH = 800  # characters of one text that are shown
FORMATS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "figure": str,
    "count": lambda number: f"{number:,}",
    "share": numbers.share,
    "points": lambda delta: numbers.change("accuracy", delta),
}


def table(data: Data) -> Drawing:
    """``columns`` [{name, format: text | figure | count | share | points, bar}], ``rows`` [[value]], ``strong`` the name of a column.

    ``links`` {value: address} lead from the first column to pages beside this one.

    The first column names the row. ``figure`` is a number that was written before; ``bar`` draws a share beside it. None is a dash.
    """
    columns = [{"format": "text", "bar": False, **column} for column in data["columns"]]
    columns = [{**column, "right": column["format"] != "text"} for column in columns]

    def cell(value: Any, column: Data) -> Drawing:
        tone = (
            "good"
            if column["format"] == "points" and (value or 0) > 0
            else "bad"
            if column["format"] == "points" and (value or 0) < 0
            else ""
        )
        flags = {"right": column["right"], "barred": column["bar"], "strong": column["name"] == data.get("strong"), tone: bool(tone)}
        return {
            "text": "–" if value is None else FORMATS[column["format"]](value),
            "bar": round(value, 3) if column["bar"] and value is not None else None,
            "classes": " ".join(name for name, holds in flags.items() if holds),
            "href": data.get("links", {}).get(value, "") if column is columns[0] else "",
        }

    return {"columns": columns, "rows": [[cell(value, column) for value, column in zip(row, columns, strict=True)] for row in data["rows"]]}


def bars(data: Data) -> Drawing:
    """``items`` [{label, value, text, tone, interval: (low, high)}], ``low`` and ``high`` the ends of the axis (0 and the largest)."""
    values = [item["value"] for item in data["items"]]
    low, high = data.get("low", min([0.0, *values])), data.get("high", max([0.0, *values]))
    scale = Scale(low, high if high > low else low + 1, 1)
    zero = scale.at(0.0)

    def bar(item: Data) -> Drawing:
        end = scale.at(item["value"])
        whisker = sorted(scale.at(value) for value in item.get("interval") or ())
        return {"tone": "", **item, "start": min(zero, end), "width": round(abs(end - zero), 2), "whisker": whisker}

    items = [bar(item) for item in data["items"]]
    return {"items": items, "whiskers": any(item["whisker"] for item in items)}


def lines(data: Data) -> Drawing:
    """``series`` [{name, points [(x, y)], style: line | faint | dots | points, tone: tuned | base | second}].

    ``x`` names the axis below; ``metric`` gives the unit of y. ``marks`` [{at, label}] are upright lines; ``from_zero`` begins x at 0.
    What is not finite leaves no trace.
    """
    series = [{"style": "line", "tone": "tuned", **one, "points": finite(one["points"])} for one in data["series"]]
    strong = [point for one in series if one["style"] != "faint" for point in one["points"]]
    every = [point for one in series for point in one["points"]]
    across = Scale.around([0, *(x for x, _ in every)] if data.get("from_zero") else [x for x, _ in every], tight=True)
    span = [y for _, y in strong or every]
    roof = max(span, default=1.0) + 0.25 * (max(span, default=1.0) - min(span, default=0.0))  # a lone spike must not flatten the rest
    up = Scale.around([*span, *(min(y, roof) for _, y in every)], ticks=4)

    def path(points: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{across.at(x):g} {100 - up.at(y):g}" for x, y in points)

    def dots(points: Sequence[tuple[float, float]]) -> list[Drawing]:
        return [{"x": across.at(x), "y": up.at(y), "text": f"{x:g}: {written(y)}"} for x, y in points]

    def written(y: float) -> str:
        return numbers.value(data.get("metric", ""), y)

    drawn = [
        {**one, "path": path(thin(one["points"])), "dots": dots(thin(one["points"])) if one["style"] in ("dots", "points") else []}
        for one in series
        if one["points"]
    ]
    return {
        "series": drawn,
        "x": data.get("x", ""),
        "across": [{"at": across.at(tick), "text": f"{tick:,g}"} for tick in across.ticks()],
        "up": [{"at": up.at(tick), "text": _tick(data.get("metric", ""), tick)} for tick in up.ticks()],
        "marks": [{"at": across.at(mark["at"]), "label": mark["label"]} for mark in data.get("marks", ())],
        "summary": "; ".join(f"{one['name']} from {written(one['points'][0][1])} to {written(one['points'][-1][1])}" for one in drawn),
    }


def _tick(metric: str, value: float) -> str:
    return f"{100 * value:g}%" if numbers.is_share(metric) else f"{value:,g}"


def matrix(data: Data) -> Drawing:
    """``labels`` and ``counts`` [truth][predicted]: rows of truth, shaded by the share of the row."""
    labels, counts = list(data["labels"]), data["counts"]
    mistakes = [sum(counts[i]) + sum(row[i] for row in counts) - 2 * counts[i][i] for i in range(len(labels))]
    worst = sorted(sorted(range(len(labels)), key=lambda i: -mistakes[i])[:MATRIX_LABELS])

    def cell(i: int, j: int) -> Drawing:
        part = counts[i][j] / (sum(counts[i]) or 1)
        level = max(0.06, round(part, 2)) if counts[i][j] else 0
        depth = " deep" if level > 0.85 else " mid" if level > 0.66 else ""  # where the letters must change colour to be read
        return {"count": counts[i][j], "level": level, "depth": depth, "right": i == j, "of": labels[j], "part": numbers.share(part)}

    rows = [{"label": labels[i], "cells": [cell(i, j) for j in worst]} for i in worst]
    return {"labels": [labels[i] for i in worst], "rows": rows, "left_out": len(labels) - len(worst)}


def calibration(data: Data) -> Drawing:
    """``bins`` [{confidence, accuracy, count}]; empty ones are not drawn."""
    bins = [one for one in data["bins"] if one["count"]]
    largest = max((one["count"] for one in bins), default=1)

    def dot(one: Data) -> Drawing:
        text = f"{one['count']:,} predictions, confidence {numbers.share(one['confidence'])}, right {numbers.share(one['accuracy'])}"
        size = round(0.5 + 1.1 * math.sqrt(one["count"] / largest), 2)
        return {"x": round(100 * one["confidence"], 2), "y": round(100 * one["accuracy"], 2), "size": size, "text": text}

    ticks = [{"at": at, "text": f"{at}%"} for at in (0, 25, 50, 75, 100)]
    dots = [dot(one) for one in bins]
    return {"dots": dots, "ticks": ticks, "path": "M" + "L".join(f"{dot['x']:g} {100 - dot['y']:g}" for dot in dots)}


def histogram(data: Data) -> Drawing:
    """``values``, ``x`` the axis' name, and ``line`` {at, label}: an upright line; what lies past it is drawn as a fault."""
    values = sorted(value for value in data["values"] if math.isfinite(value)) or [0.0]
    line = data.get("line")
    usual = values[int(0.995 * (len(values) - 1))]
    top = min(values[-1], max(1.25 * usual, 1.1 * line["at"] if line else 0.0))
    scale = Scale.around([0, top], tight=True)
    count = min(40, max(1, math.ceil(scale.high - scale.low)))
    edges = [scale.low + (scale.high - scale.low) * index / count for index in range(count + 1)]
    found = [0] * count
    for value in values:
        found[min(count - 1, max(0, math.floor((value - scale.low) / (scale.high - scale.low) * count)))] += 1
    tallest = max(found)
    shown = [
        {"height": round(100 * number / tallest, 2), "over": bool(line and low >= line["at"]), "text": f"{low:g} to {high:g}: {number:,}"}
        for number, (low, high) in zip(found, itertools.pairwise(edges), strict=True)
    ]
    return {
        "bars": shown,
        "x": data.get("x", ""),
        "ticks": [{"at": scale.at(tick), "text": f"{tick:,g}"} for tick in scale.ticks()],
        "tallest": f"{tallest:,}",
        "line": line and {"at": scale.at(line["at"]), "label": line["label"]},
        "beyond": sum(value > scale.high for value in values),
        "summary": f"median {values[len(values) // 2]:,g}, largest {values[-1]:,g}",
    }


def texts(data: Data) -> Drawing:
    """``items`` [{name, text, tags [(name, value, tone: good | bad | plain)], more [(name, text)]}], ``open`` how many are unfolded.

    Texts longer than ``length`` characters are cut, and say so.
    """
    length = data.get("length", TEXT_LENGTH)

    def short(text: str) -> str:
        return text if len(text) <= 1.2 * length else f"{text[:length]} … ({len(text) - length:,} more characters)"

    items = [
        {
            "name": item.get("name", ""),
            "text": short(str(item.get("text", ""))),
            "tags": item.get("tags", ()),
            "more": [(name, short(str(text))) for name, text in item.get("more", ())],
        }
        for item in data["items"]
    ]
    unfolded = data.get("open", len(items))
    return {"items": items[:unfolded], "folded": items[unfolded:]}


def pairs(data: Data) -> Drawing:
    """``items`` [(name, value)]."""
    return {"items": [(name, value) for name, value in data["items"]]}


def notes(data: Data) -> Drawing:
    """``items`` [text], ``folded`` whether they are shown only when asked for."""
    return {"items": list(data["items"]), "folded": data.get("folded", False)}


def code(data: Data) -> Drawing:
    """``text`` of a program, a recipe or a command; keys and comments of YAML stand out."""
    return {"lines": [_YAML.match(line).groups() for line in data["text"].rstrip("\n").split("\n")]}  # type: ignore[union-attr]


_YAML = re.compile(r"^(\s*(?:- )*)([\w.]+:(?=\s|$))?((?:[^#]|(?<=\S)#)*)(#.*)?$", re.DOTALL)  # indent, key, value, comment: never fails
