"""What of a score is luck of the seed: how far runs are apart that differ in it alone."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from tunesmith.model.files import read_json
from tunesmith.studies.sequence import MEASURES


def spread(scores: Sequence[float]) -> dict[str, float]:
    """The mean of the scores of two runs or more, their standard deviation, the lowest and the highest."""
    return {"mean": statistics.mean(scores), "deviation": statistics.stdev(scores), "lowest": min(scores), "highest": max(scores)}


def spread_of_measures(runs: Sequence[Path]) -> dict[str, dict[str, float]]:
    """The same of what each of finished runs of one sequence kept of all stages, where that is known of all."""
    found = [read_json(run / "scores.json")["sequence"] for run in runs]
    return {name: spread([own[name] for own in found]) for name in MEASURES if all(own[name] is not None for own in found)}
