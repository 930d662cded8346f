"""Sections on the outcome: scores, learning curves, mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.report import numbers
from tunesmith.report.facts import Facts, Section
from tunesmith.report.scale import finite, smooth
from tunesmith.report.verdict import judge

SCORES, LEARNING, MISTAKES = "Scores", "Learning", "Mistakes"
PAIRS = 12  # mix-ups that are listed
ERRORS = 60  # wrong predictions that are shown at most
TONES = {"base": "base", "tuned": "tuned"}


def contenders(scores: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Who was judged, in the order they are shown: base model, baselines, tuned model, each with its plain scores."""
    named = {"base": scores.get("base"), **scores.get("baselines", {}), "tuned": scores.get("tuned")}
    return {name: numbers.scalars(found) for name, found in named.items() if found}


def contender(name: str) -> str:
    return {"base": "base model", "tuned": "tuned model"}.get(name) or numbers.baseline(name)


def standing(facts: Facts) -> Section | None:
    """Base, baselines and tuned model on the primary metric."""
    verdict = judge(facts.scores)
    metric = facts.scores.get("primary", "")
    found = {name: values[metric] for name, values in contenders(facts.scores).items() if finite([(0, values.get(metric))])}
    interval = verdict.interval and tuple(found["base"] + end for end in verdict.interval)
    items = [
        {
            "label": contender(name),
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
    gains = facts.scores.get("gain", {})
    metrics = list(found.get("tuned", {}))
    if not metrics:
        return None

    def gain(metric: str) -> str | None:
        delta = gains.get(metric, {}).get("delta")
        if delta is None:
            return None
        interval = gains[metric].get("ci95")
        ends = f" ({numbers.change(metric, interval[0])} to {numbers.change(metric, interval[1])})" if interval else ""
        return numbers.change(metric, delta) + ends

    rows = [
        [
            numbers.title(metric) + (" ↓" if numbers.lower_is_better(metric) else ""),
            *(numbers.value(metric, values.get(metric)) for values in found.values()),
            gain(metric),
        ]
        for metric in metrics
    ]
    columns = [
        {"name": "metric"},
        *({"name": contender(name), "format": "figure"} for name in found),
        {"name": "gain (95% interval)", "format": "figure"},
    ]
    about = "↓ lower is better. " if any(numbers.lower_is_better(metric) for metric in metrics) else ""
    split = facts.scores.get("split", "")
    about += f"All judged on the same {facts.scores['examples']:,} {split} rows." if "examples" in facts.scores else ""
    if split == "validation":
        about += " The validation rows also chose what was kept, so expect a little less on new data."
    return Section("Every score", "table", {"columns": columns, "rows": rows, "strong": "tuned model"}, about.strip(), SCORES, wide=True)


def per_class(facts: Facts) -> Section | None:
    tuned, base = (facts.scores.get(name, {}).get("per_class", {}) for name in ("tuned", "base"))
    if not tuned:
        return None
    columns = [{"name": "class"}, {"name": "rows", "format": "count"}]
    columns += [
        {"name": "precision", "format": "share"},
        {"name": "recall", "format": "share"},
        {"name": "F1", "format": "share", "bar": True},
    ]
    columns += [{"name": "F1 base", "format": "share"}, {"name": "change", "format": "points"}] if base else []
    rows = []
    for label, scores in sorted(tuned.items(), key=lambda item: item[1]["f1"]):
        row = [label, scores["support"], scores["precision"], scores["recall"], scores["f1"]]
        before = base.get(label, {}).get("f1")
        rows.append([*row, before, None if before is None else scores["f1"] - before] if base else row)
    return Section("Class by class", "table", {"columns": columns, "rows": rows, "strong": "F1"}, "Weakest first.", SCORES, wide=True)


def _epochs(facts: Facts) -> list[dict[str, Any]]:
    """Where epochs end, when they are few enough to be marked."""
    last = max((event for event in facts.events if event.get("event") == "step"), key=lambda event: event["step"])
    whole = int(last.get("epoch", 0) + 1e-6)
    return (
        [{"at": last["step"] * number / last["epoch"], "label": f"epoch {number}"} for number in range(1, whole + 1)] if whole <= 6 else []
    )


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
    data = {"series": series, "x": "optimizer step", "y": "loss", "marks": _epochs(facts)}
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
        "y": numbers.title(metric),
        "metric": metric,
        "marks": [{"at": best[0], "label": f"best {numbers.value(metric, best[1])}"}],
    }
    return Section(f"Validation {numbers.title(metric)}", "lines", data, "", LEARNING)


def confusion(facts: Facts) -> Section | None:
    tuned = facts.scores.get("tuned", {})
    if not tuned.get("confusion"):
        return None
    data = {"labels": tuned["labels"], "counts": tuned["confusion"]}
    about = "Each row is one true class, shaded by the share of its rows that went to each predicted class."
    return Section("Confusion matrix", "matrix", data, about, MISTAKES, wide=len(tuned["labels"]) > 8)


def mixed_up(facts: Facts) -> Section | None:
    tuned = facts.scores.get("tuned", {})
    labels, counts = tuned.get("labels", ()), tuned.get("confusion", ())
    found = [
        [truth, labels[j], number, number / sum(counts[i])]
        for i, truth in enumerate(labels)
        for j, number in enumerate(counts[i] if counts else ())
        if i != j and number
    ]
    if len(labels) < 3 or not found:
        return None
    columns = [{"name": "truth"}, {"name": "predicted"}, {"name": "rows", "format": "count"}]
    columns.append({"name": "of the class", "format": "share", "bar": True})
    rows = sorted(found, key=lambda row: (-row[2], -row[3]))[:PAIRS]
    return Section("Most often mixed up", "table", {"columns": columns, "rows": rows}, "", MISTAKES)


def calibration(facts: Facts) -> Section | None:
    tuned = facts.scores.get("tuned", {})
    if not tuned.get("calibration"):
        return None
    error = f" Expected calibration error: {numbers.value('ece', tuned['ece'])}." if tuned.get("ece") is not None else ""
    about = (
        "On the diagonal, 80% sure means right 8 times of 10; below it, the model is too sure. Larger dots hold more predictions." + error
    )
    return Section("Does it know when it is right?", "calibration", {"bins": tuned["calibration"]}, about, MISTAKES)


def worst_errors(facts: Facts) -> Section | None:
    if not facts.errors:
        return None
    items = [_prediction(row, wrong=True) for row in facts.errors[:ERRORS]]
    return Section("Worst errors", "texts", {"items": items, "open": 6}, "Wrong, and most sure of it, first.", MISTAKES, wide=True)


def examples(facts: Facts) -> Section | None:
    items = [_prediction(row, wrong=False) for row in facts.examples]
    return Section("It in use", "texts", {"items": items}, "", SCORES, wide=True) if items else None


def _prediction(row: Mapping[str, Any], wrong: bool) -> dict[str, Any]:
    tags = [("truth", row["truth"], "good")] if row.get("truth") is not None else []
    tags.append(("predicted", row["predicted"], "bad" if wrong else "plain"))
    if row.get("confidence") is not None:
        tags.append(("sure", numbers.share(row["confidence"]), "plain"))
    return {"text": row["text"], "tags": tags}
