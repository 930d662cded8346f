"""Sections on the outcome: scores, learning curves, mistakes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tunesmith.report import numbers
from tunesmith.report.facts import Facts, Section
from tunesmith.report.scale import finite, smooth
from tunesmith.report.verdict import CAVEATS, base_name, judge, thresholds

SCORES, LEARNING, MISTAKES = "Scores", "Learning", "Mistakes"
MANY = 8  # with more classes than this, the matrix is wide and its mix-ups are listed
CLASSES = 100  # rows of the table of classes
PAIRS = 12  # mix-ups that are listed
ERRORS = 60  # wrong predictions that are shown at most
ORDERS = {"loss": "Largest loss first.", "confidence": "Least right first, and of these those it was most sure of."}
TESTED = ("rows", "base", "tuned", "gain (95% interval)")
STANDING = ("text", "truth", "base", "predicted", "confidence")  # what has a place of its own in a prediction
TUNED = "tuned model"
TONES = {"base": "base", "tuned": "tuned"}


def contenders(scores: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Who was judged, in the order they are shown: base model, baselines, tuned model, each with its plain scores."""
    named = {"base": scores.get("base"), **scores.get("baselines", {}), "tuned": scores.get("tuned")}
    return {name: numbers.scalars(found) for name, found in named.items() if found}


def tests(scores: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The scores on further test rows by what these are called; of several tasks those of each, the name of the task before."""
    of_tasks = ((f"{task}, {name}", found) for task, own in scores.get("tasks", {}).items() for name, found in own.get("tests", {}).items())
    return {**scores.get("tests", {}), **dict(of_tasks)}


def contender(name: str, scores: Mapping[str, Any]) -> str:
    """Who was judged, as people call it: the base model with how it was used."""
    return {"base": base_name(scores), "tuned": TUNED}.get(name) or numbers.baseline(name)


def standing(facts: Facts) -> Section | None:
    """Base, baselines and tuned model on the primary metric."""
    verdict = judge(facts.scores)
    metric = facts.scores.get("primary", "")
    found = {name: values[metric] for name, values in contenders(facts.scores).items() if finite([(0, values.get(metric))])}
    interval = verdict.interval and tuple(found["base"] + end for end in verdict.interval)
    items = [
        {
            "label": contender(name, facts.scores),
            "value": value,
            "text": numbers.value(metric, value),
            "tone": TONES.get(name, "baseline"),
            "interval": interval if name == "tuned" else None,
        }
        for name, value in found.items()
    ]
    axis = {"high": 1.0} if numbers.is_share(metric) else {}
    return Section(verdict.metric, "bars", {"items": items, **axis}) if items else None


def every_score(facts: Facts) -> Section | None:
    found = contenders(facts.scores)
    tuned = found.pop("tuned", {})
    base = {"base": found.pop("base")} if "base" in found else {}
    if not tuned:
        return None
    rows = [
        [
            numbers.title(metric) + (" ↓" if numbers.lower_is_better(metric) else ""),
            *(numbers.value(metric, values.get(metric)) for values in base.values()),
            numbers.value(metric, value),
            *([_gain(facts.scores, metric)] if base else []),
            *(numbers.value(metric, values.get(metric)) for values in found.values()),
        ]
        for metric, value in tuned.items()
    ]
    others = [contender(name, facts.scores) for name in found]
    names = [*(base_name(facts.scores) for _ in base), TUNED, *(["gain (95% interval)"] if base else []), *others]
    columns = [{"name": "metric"}, *({"name": name, "format": "figure"} for name in names)]
    about = "↓ Lower is better. " if any(map(numbers.lower_is_better, tuned)) else ""
    split = facts.scores.get("split", "")
    about += f"All judged on the same {facts.scores['examples']:,} {split} rows." if "examples" in facts.scores else ""
    about += f" {CAVEATS[split]}" if split in CAVEATS else ""
    about += f" {thresholds(facts.scores)}"
    about += "".join(f" {numbers.title(name).capitalize()}: {rows:,} rows." for name, rows in facts.scores.get("judged_by", {}).items())
    return Section("Every score", "table", {"columns": columns, "rows": rows, "strong": TUNED}, about.strip(), SCORES, wide=True)


def _gain(scores: Mapping[str, Any], metric: str) -> str | None:
    """The gain and its interval where they were computed, else the plain difference."""
    gain = scores.get("gain", {}).get(metric)
    if gain is None:
        ends = scores["base"].get(metric), scores["tuned"][metric]
        return None if ends[0] is None else numbers.change(metric, ends[1] - ends[0])
    interval = gain.get("ci95")
    ends_text = f" ({numbers.change(metric, interval[0])} to {numbers.change(metric, interval[1])})" if interval else ""
    return numbers.change(metric, gain["delta"]) + ends_text


def every_test(facts: Facts) -> Section | None:
    """The primary metric on the rows that decided and on further test rows, one below the other."""
    if not facts.scores.get("tests"):
        return None
    columns = [{"name": "test rows"}, {"name": "metric"}, *({"name": name, "format": "figure"} for name in TESTED), {"name": "verdict"}]
    about = "Base and tuned model on each set of test rows that the recipe names."
    return Section("Other test rows", "table", {"columns": columns, "rows": test_table(facts.scores)}, about, SCORES, wide=True)


def test_table(scores: Mapping[str, Any]) -> list[list[str]]:
    """Of the rows that decided, and of each set of further test rows: its name, the metric, what ``TESTED`` says, and the verdict."""
    found = {scores.get("split", ""): scores, **scores.get("tests", {})}
    return [[name, *_tested(of), judge(of).headline] for name, of in found.items()]


def _tested(scores: Mapping[str, Any]) -> list[str]:
    metric = scores["primary"]
    sides = [numbers.value(metric, scores[side].get(metric)) for side in ("base", "tuned")]
    return [numbers.title(metric), f"{scores['examples']:,}", *sides, _gain(scores, metric) or "–"]


def per_class(facts: Facts) -> Section | None:
    tuned, base = (facts.scores.get(name, {}).get("per_class", {}) for name in ("tuned", "base"))
    if not tuned:
        return None
    shares = [{"name": name, "format": "share", "bar": name == "F1"} for name in ("F1", "precision", "recall")]
    compared = [{"name": "F1 base", "format": "share"}, {"name": "change", "format": "points"}] if base else []
    weakest = sorted(tuned.items(), key=lambda item: item[1]["f1"])
    rows = []
    for label, scores in weakest[:CLASSES]:
        before = base.get(label, {}).get("f1")
        change = [before, None if before is None else scores["f1"] - before] if base else []
        rows.append([label, scores["f1"], scores["precision"], scores["recall"], *change, scores["support"]])
    columns = [{"name": "class"}, *shares, *compared, {"name": "rows", "format": "count"}]
    about = "Weakest first." + (f" The {len(weakest) - CLASSES:,} strongest are left out." if len(weakest) > CLASSES else "")
    return Section("Class by class", "table", {"columns": columns, "rows": rows, "strong": "F1"}, about, SCORES, wide=True)


def _epochs(facts: Facts) -> list[dict[str, Any]]:
    """Where epochs end within the run, when they are few enough to be marked."""
    last = max((event for event in facts.events if event.get("event") == "step"), key=lambda event: event["step"])
    epochs = last.get("epoch", 0)
    ends = [{"at": last["step"] * number / epochs, "label": f"epoch {number}"} for number in range(1, math.ceil(epochs - 0.02))]
    return ends if len(ends) < 6 else []


def _evaluations(facts: Facts, metric: str) -> list[tuple[float, float]]:
    found = [(event["step"], event["scores"].get(metric)) for event in facts.events if event.get("event") == "evaluation"]
    return finite(found)


def loss_curve(facts: Facts) -> Section | None:
    losses = finite((event["step"], event.get("loss")) for event in facts.events if event.get("event") == "step")
    if len(losses) < 2:
        return None
    series = [
        {"name": "each step", "points": losses, "style": "faint"},
        {"name": "training loss, smoothed", "points": smooth(losses, max(5, len(losses) // 15))},
    ]
    judged = next((points for metric in ("loss", "log_loss") if (points := _evaluations(facts, metric))), [])
    if judged:
        series.append({"name": "validation loss", "points": judged, "style": "dots", "tone": "second"})
    data = {"series": series, "x": "optimizer step", "from_zero": True, "marks": _epochs(facts)}
    return Section("Loss", "lines", data, "", LEARNING, wide=not _evaluations(facts, facts.scores.get("primary", "")))


def score_curve(facts: Facts) -> Section | None:
    metric = facts.scores.get("primary", "")
    points = _evaluations(facts, metric)
    if not points:
        return None
    best = (min if numbers.lower_is_better(metric) else max)(points, key=lambda point: point[1])
    data = {
        "series": [{"name": f"validation {numbers.title(metric)}", "points": points, "style": "dots", "tone": "second"}],
        "x": "optimizer step",
        "from_zero": True,
        "metric": metric,
        "marks": [{"at": best[0], "label": f"best {numbers.value(metric, best[1])}"}],
    }
    return Section(f"Validation {numbers.title(metric)}", "lines", data, "", LEARNING)


def _labels(scores: Mapping[str, Any]) -> list[str]:
    """The names of the classes, in the order of the confusion matrix."""
    return list(scores.get("labels") or scores.get("per_class", ()))


def confusion(facts: Facts) -> Section | None:
    tuned = facts.scores.get("tuned", {})
    if not tuned.get("confusion"):
        return None
    labels = _labels(tuned)
    data = {"labels": labels, "counts": tuned["confusion"]}
    about = "Each row is one true class, shaded by the share of its rows that went to each predicted class."
    return Section("Confusion matrix", "matrix", data, about, MISTAKES, wide=len(labels) > MANY)


def mixed_up(facts: Facts) -> Section | None:
    tuned = facts.scores.get("tuned", {})
    labels, counts = _labels(tuned), tuned.get("confusion", ())
    found = [
        [truth, labels[j], number, number / sum(counts[i])]
        for i, truth in enumerate(labels)
        for j, number in enumerate(counts[i] if counts else ())
        if i != j and number
    ]
    if len(labels) <= MANY or not found:
        return None
    columns = [{"name": "truth"}, {"name": "predicted"}, {"name": "rows", "format": "count"}]
    columns.append({"name": "of the class", "format": "share"})
    rows = sorted(found, key=lambda row: (-row[2], -row[3]))[:PAIRS]
    return Section("Most often mixed up", "table", {"columns": columns, "rows": rows}, "", MISTAKES)


def calibration(facts: Facts) -> Section | None:
    tuned = facts.scores.get("tuned", {})
    if not tuned.get("calibration"):
        return None
    error = f" Expected calibration error: {numbers.value('ece', tuned['ece'])}." if tuned.get("ece") is not None else ""
    about = "On the diagonal, 80% sure means right 8 times of 10; below it, the model is too sure. Larger dots hold more predictions."
    return Section("Does it know when it is right?", "calibration", {"bins": tuned["calibration"]}, about + error, MISTAKES)


def worst_errors(facts: Facts) -> Section | None:
    if not facts.errors:
        return None
    items = [_prediction(row, wrong=True) for row in facts.errors[:ERRORS]]
    first = next((about for key, about in ORDERS.items() if facts.errors[0].get(key) is not None), "Least right first.")
    return Section("Worst errors", "texts", {"items": items, "open": 6}, first, MISTAKES, wide=True)


def examples(facts: Facts) -> Section | None:
    items = [_prediction(row, wrong=False) for row in facts.examples]
    return Section("Predictions", "texts", {"items": items, "length": 300}, "", SCORES, wide=True) if items else None


def _prediction(row: Mapping[str, Any], wrong: bool) -> dict[str, Any]:
    """One prediction as a text with tags; what the task adds (a second text, a generated one) stands under it."""
    tones = {"truth": "good", "base": "plain", "predicted": "bad" if wrong else "plain"}
    tags = [(name, row.get(name), tone) for name, tone in tones.items()]
    sure = [("sure", numbers.share(row["confidence"]), "plain")] if row.get("confidence") is not None else []
    more = [(name.replace("_", " "), _more(name, value)) for name, value in row.items() if name not in STANDING]
    shown = [(name, _answer(value), tone) for name, value, tone in tags if value is not None]
    return {"text": row.get("text", ""), "tags": [*shown, *sure], "more": more}


def _more(name: str, value: Any) -> Any:
    return numbers.value(name, value) if isinstance(value, float) else value


def _answer(value: Any) -> str:
    """A label, a list of labels or a number as text."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return numbers.figure(value) if isinstance(value, float) else str(value)
