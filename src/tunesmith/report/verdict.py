"""The verdict: did tuning help, how sure is that, and was the model needed at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunesmith.core.words import counted
from tunesmith.report import numbers

CAVEATS = {
    "validation": "The validation rows also chose what was kept, so expect a little less on new data.",
    "train": "These rows were trained on: the scores say nothing about new data.",
}

RANKS = 0.6  # area under the ROC curve from which a model has learned to tell rows apart; 0.5 is chance
AS_IT_IS, CHANCE = "as it is", "chance"  # how a base model was used: ``base_is`` in scores.json


@dataclass(frozen=True)
class Verdict:
    """What the scores say in words.

    ``tone``      good, mixed, bad, or plain where there is nothing to compare with
    ``headline``  a few words; ``sentence`` the figures behind them; ``advice`` what follows from them, often nothing
    ``metric``    the primary metric; ``value`` the tuned model's, with its unit, and ``base`` that of the base model
    ``gain``      difference to the base model; ``interval`` its 95% interval as (low, high), where it is known
    ``flips``     on how many rows the tuned model is better and worse
    """

    tone: str
    headline: str
    sentence: str
    advice: str = ""
    metric: str = ""
    value: str = "–"
    base: str = ""
    gain: str = ""
    interval: tuple[float, ...] | None = None
    flips: str = ""


def judge(scores: Mapping[str, Any]) -> Verdict:
    """Read ``scores.json``. Bad news is said as plainly as good news."""
    metric = scores.get("primary", "")
    if not scores.get("tuned"):
        return Verdict("plain", "Not evaluated", "This run has no scores.")
    tuned = scores["tuned"].get(metric)
    judged = f"{scores.get('split', '')} row".strip()
    rows = f" on {counted(scores['examples'], judged)}" if "examples" in scores else ""
    name, value = numbers.title(metric), numbers.value(metric, tuned)
    subject = name[:1].upper() + name[1:]
    if tuned is None or not math.isfinite(tuned):
        sentence = f"{subject} could not be computed{rows}."
        return Verdict("bad", "The score is not a number", sentence, "Do not use this model.", metric=name, value=value)
    base = scores.get("base", {}).get(metric)
    if base is None or not math.isfinite(base):
        return Verdict("plain", "Tuned, not compared", f"{subject} is {value}{rows}.", metric=name, value=value)

    gain = scores.get("gain", {}).get(metric, {})
    delta = gain.get("delta", tuned - base)
    interval = tuple(gain["ci95"]) if gain.get("ci95") else None
    before, difference = numbers.value(metric, base), numbers.change(metric, delta, unit=True)
    moved = "stayed at" if delta == 0 else f"{'rose' if delta > 0 else 'fell'} from {before} to"
    sure = ", 95% interval {} to {}".format(*(numbers.change(metric, end) for end in interval)) if interval else ""
    by_row = {} if interval else scores.get("gain", {}).get("correct") or {}
    ends = [sign(metric) * end for end in interval or (delta,)] + list(by_row.get("ci95") or [])
    tone, headline, advice = _against_base(ends, by_chance(scores))
    if simpler := _as_good(scores, metric, tuned):
        other = "one of its members" if "ensemble" in scores else "a baseline"
        tone, headline = ("mixed", f"Better than the base model, not better than {other}") if tone == "good" else (tone, headline)
        advice = f"{advice} {simpler}".strip()
    blank, each = _no_choice(scores["tuned"])
    if blank:
        tone, headline = "bad", blank
        advice = f"{each}, {_learned(scores['tuned'])}. {_another(scores)}{advice}".strip()
    return Verdict(
        tone,
        headline,
        f"{subject} {moved} {value}{rows}: {difference}{sure}.{_by_row(by_row)}",
        advice,
        metric=name,
        value=value,
        base=before,
        gain=difference,
        interval=interval,
        flips=_flips(**scores["flips"]) if any(scores.get("flips", {}).values()) else "",
    )


def _flips(fixed: int, broken: int) -> str:
    return f"Better than the base model on {counted(fixed, 'row')}, worse on {broken:,}."


def base_name(scores: Mapping[str, Any]) -> str:
    """What the tuned model is compared with, as people call it: the base model, and how it was used where it has no head for the task."""
    how = AS_IT_IS if "tasks" in scores else scores.get("base_is") or AS_IT_IS  # of several tasks each says how it was used
    return "base model" + {AS_IT_IS: "", CHANCE: ", by chance"}.get(how, f", {how}")


def by_chance(scores: Mapping[str, Any]) -> bool:
    """Whether the base has no head for the task and can answer by chance alone, so that nobody could use it."""
    return bool(scores.get("base_is") == CHANCE)


def sign(metric: str) -> int:
    """1 where more is better, -1 where less is."""
    return -1 if numbers.lower_is_better(metric) else 1


def _by_row(gain: Mapping[str, Any]) -> str:
    """A sentence on how right the rows are, whose interval decides where the metric has none."""
    if not gain.get("ci95"):
        return ""
    low, high = (numbers.change("correct", end) for end in gain["ci95"])
    return f" Row by row, how right they are changed by {numbers.change('correct', gain['delta'])}, 95% interval {low} to {high}."


def _against_base(ends: list[float], chance: bool) -> tuple[str, str, str]:
    """Tone, headline and advice from the ends of intervals of the gain, more being better."""
    worst, best = min(ends), max(ends)
    if worst > 0:
        return "good", "Tuning helped", ""
    if best < 0 and chance:
        return "bad", "Worse than chance", "Do not use this model."
    if best < 0:
        return "bad", "Tuning made it worse", "Use the base model, not this one."
    if worst == best:
        return "mixed", "No difference", "The tuned model scores exactly as the base model does."
    return "mixed", "No clear difference", "The interval includes zero: more test rows, or a larger change, are needed to tell."


def _as_good(scores: Mapping[str, Any], metric: str, tuned: float) -> str:
    """What the best baseline reaches, in a sentence, where it is as good as the tuned model; else nothing."""
    found = {name: values[metric] for name, values in scores.get("baselines", {}).items() if values.get(metric) is not None}
    if not found or max(sign(metric) * value for value in found.values()) < sign(metric) * tuned:
        return ""
    name = max(found, key=lambda name: sign(metric) * found[name])
    reached = numbers.value(metric, found[name])
    if "ensemble" in scores:
        return f"Its member {name} reaches {reached} alone, for less work."
    sentence = f"{numbers.baseline(name)} reaches {reached}, for much less work."
    return sentence[:1].upper() + sentence[1:]


def _learned(tuned: Mapping[str, Any]) -> str:
    """Whether a model that gives all rows the same has learned anything, and what it needs."""
    if (auc := tuned.get("auc") or 0.0) < RANKS:
        return "as by a model that has learned nothing: it needs more steps, or another rate"
    ranks = f"{numbers.title('auc')} is {numbers.value('auc', auc)}"
    return f"yet the model has learned to tell rows apart ({ranks}): it draws the line in the wrong place, which more steps may mend"


def _another(scores: Mapping[str, Any]) -> str:
    """What another threshold would do for several labels a row, in a sentence; nothing for other answers."""
    tuned = scores["tuned"]
    if "best_f1_micro" not in tuned:
        return ""
    return f"With task.threshold {tuned['best_threshold']:.2g} F1 micro would be {numbers.value('f1_micro', tuned['best_f1_micro'])} here. "


def thresholds(scores: Mapping[str, Any]) -> str:
    """From which probability labels are given, in a sentence, where the recipe left that open; nothing elsewhere."""
    found = scores.get("thresholds")
    if not found:
        return ""
    if not found["chosen_by"]:
        return f"A label is given from a probability of {found['tuned']:.3g}: there are no validation rows by which to choose."
    own, base = (f"{found[name]:.3g}" for name in ("tuned", "base"))
    return f"A label is given from a probability of {own}, by the base model from {base}: so each does best on the validation rows."


def _no_choice(tuned: Mapping[str, Any]) -> tuple[str, str]:
    """Headline and beginning of the advice where all rows get one label and there are rows of others, or none gets any; else nothing."""
    classes, counts = tuned.get("per_class") or {}, tuned.get("confusion")
    if counts:
        given = [label for label, column in zip(classes, zip(*counts, strict=True), strict=True) if any(column)]
        return ("Every row gets one label", f"Each is called {given[0]}") if len(given) == 1 < sum(map(any, counts)) else ("", "")
    blank = any(found.get("support") for found in classes.values()) and not any(found.get("predicted", 1) for found in classes.values())
    return ("No row gets a label", "None of the labels is given to any row") if blank else ("", "")
