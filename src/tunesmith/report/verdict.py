"""The verdict: did tuning help, how sure is that, and was the model needed at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunesmith.report import numbers


@dataclass(frozen=True)
class Verdict:
    """What the scores say in words.

    ``tone``      good, mixed, bad, or plain where there is nothing to compare with
    ``headline``  a few words; ``sentence`` the figures behind them; ``advice`` what follows from them, often nothing
    ``metric``    the primary metric; ``value`` the tuned model's, with its unit
    ``gain``      difference to the base model; ``interval`` its 95% interval as (low, high), where it is known
    """

    tone: str
    headline: str
    sentence: str
    advice: str = ""
    metric: str = ""
    value: str = "–"
    gain: str = ""
    interval: tuple[float, float] | None = None


def judge(scores: Mapping[str, Any]) -> Verdict:
    """Read ``scores.json``. Bad news is said as plainly as good news."""
    metric = scores.get("primary", "")
    tuned = scores.get("tuned", {}).get(metric)
    if tuned is None:
        return Verdict("plain", "Not evaluated", "This run has no scores.")
    rows = f" on {scores['examples']:,} {scores.get('split', '')} rows".replace("  ", " ") if "examples" in scores else ""
    name, value = numbers.title(metric), numbers.value(metric, tuned)
    name = name[:1].upper() + name[1:]
    if not math.isfinite(tuned):
        return Verdict("bad", "The score is not a number", f"{name} could not be computed{rows}.", "Do not use this model.", metric, value)
    base = scores.get("base", {}).get(metric)
    if base is None:
        return Verdict("plain", "Tuned, not compared", f"{name} is {value}{rows}.", "", metric, value)

    gain = scores.get("gain", {}).get(metric, {})
    delta = gain.get("delta", tuned - base)
    low, high = gain.get("ci95") or (None, None)
    moved = "stayed at" if delta == 0 else f"{'rose' if delta > 0 else 'fell'} from {numbers.value(metric, base)} to"
    sentence = f"{name} {moved} {value}{rows}: {numbers.change(metric, delta, unit=True)}"
    sentence += f", 95% interval {numbers.change(metric, low)} to {numbers.change(metric, high)}." if low is not None else "."
    tone, headline, advice = _against_base(metric, delta, low, high)
    if tone == "good":
        tone, headline, advice = _against_baselines(scores, metric, tuned) or (tone, headline, advice)
    interval = None if low is None or high is None else (low, high)
    return Verdict(tone, headline, sentence, advice, metric, value, numbers.change(metric, delta, unit=True), interval)


def _against_base(metric: str, delta: float, low: float | None, high: float | None) -> tuple[str, str, str]:
    """Tone, headline and advice from the gain; without an interval the gain itself is all there is."""
    if numbers.lower_is_better(metric):
        delta, low, high = -delta, None if high is None else -high, None if low is None else -low
    worst, best = (delta if low is None else low), (delta if high is None else high)
    if worst > 0:
        return "good", "Tuning helped", ""
    if best < 0:
        return "bad", "Tuning made it worse", "Use the base model, not this one."
    return "mixed", "No clear difference", "The interval includes zero: more test rows, or a larger change, are needed to tell."


def _against_baselines(scores: Mapping[str, Any], metric: str, tuned: float) -> tuple[str, str, str] | None:
    """Tone, headline and advice when a baseline is as good as the tuned model."""
    sign = -1 if numbers.lower_is_better(metric) else 1
    found = {name: values[metric] for name, values in scores.get("baselines", {}).items() if values.get(metric) is not None}
    if not found or max(sign * value for value in found.values()) < sign * tuned:
        return None
    name = max(found, key=lambda name: sign * found[name])
    advice = f"{numbers.baseline(name)} reaches {numbers.value(metric, found[name])}, for much less work."
    return "mixed", "Better than the base model, not better than a baseline", advice[:1].upper() + advice[1:]
