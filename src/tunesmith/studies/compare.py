"""Finished runs side by side: scores, differences with their intervals, and the rows on which they differ. No model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.json_lines import read_values
from tunesmith.evaluate.compare import Judged, gain
from tunesmith.metrics.interval import flips
from tunesmith.model.files import read_json
from tunesmith.report import folder as folders
from tunesmith.tuned import ENSEMBLE, finished_run, of_task

ASKED = ("text", "truth")  # what of a line of predictions says which row it is
SAID = ("predicted", "confidence")
TASKS = "tasks"  # the folder of a run with the scores of each, where it has several
WEIGHTS = (".safetensors", ".gguf")


@dataclass(frozen=True)
class Judgement:
    """How a run, or one of its tasks, was judged: its ``scores.json``, a line for each row, and where its model is."""

    place: Path
    scores: dict[str, Any]
    lines: list[dict[str, Any]]
    model: Path

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def rows(self) -> list[list[Any]]:
        """Which rows it was judged by."""
        return [[line.get(name) for name in ASKED] for line in self.lines]

    @property
    def judged(self) -> Judged:
        return Judged(self.scores["tuned"], [line["correct"] for line in self.lines])

    @property
    def base(self) -> Judged:
        """How its base model was judged."""
        return Judged(self.scores["base"], [line["base_correct"] for line in self.lines])


def compare(which: Sequence[str | Path], runs: Path | str = "runs", most: int = 5, task: str = "") -> dict[str, Any]:
    """Runs that were judged by the same rows, each against the first. Of a run of several tasks, ``task`` names the one that is looked at.

    ``runs``         name, ``scores``, seconds of training and bytes of weights of each
    ``differences``  of each but the first: ``gain`` over it with the paired 95% interval, how many rows are better and worse
                     (``flips``), and at most ``most`` of each kind: the text, the truth, and what both predicted

    Raises ``InputError`` with every run that was judged by other rows, or another metric, than the first.
    """
    places = [finished_run(one, runs) for one in which]
    if task and not any((place / TASKS).exists() for place in places):
        raise InputError(Problem(f"none of the runs has several tasks, and so none called '{task}'", "Leave the name out"))
    first, *others = found = [read(place, task) for place in places]
    if not others:
        raise InputError(Problem("there is nothing to compare the run with", "Name two runs or more", str(first.place)))
    if problems := [problem for other in others if (problem := unlike(other, first))]:
        raise InputError(*problems)
    return {
        "primary": first.scores["primary"],
        "split": first.scores["split"],
        "examples": len(first.lines),
        "runs": [{"name": run.name, "scores": run.scores["tuned"], **cost(run)} for run in found],
        "differences": [difference(first, other, most) for other in others],
    }


def read(place: Path, task: str = "") -> Judgement:
    """What a run says of how it was judged, and where it has several tasks, how ``task`` was."""
    several = place / TASKS
    model, judged = (of_task(place, "", task), several / task) if several.exists() else (place / "model", place)
    scores = read_json(judged / "scores.json")
    file = judged / "predictions" / f"{scores['split']}.jsonl"
    if not file.exists():
        raise InputError(Problem("the predictions of the run are gone", "Train it again under another name", str(file)))
    return Judgement(place, scores, read_values(file), model)


def unlike(run: Judgement, first: Judgement) -> Problem | None:
    """Why a run cannot be compared with the first."""
    for what in ("task", "primary"):
        if run.scores[what] != first.scores[what]:
            message = f"it was judged otherwise than {first.name}: {what} is {run.scores[what]}, not {first.scores[what]}"
            return Problem(message, "Compare runs of one task and one metric", str(run.place))
    if run.rows == first.rows:
        return None
    shared = sum(one == other for one, other in zip(run.rows, first.rows, strict=False))
    counts = f"{len(run.rows):,} {run.scores['split']} rows, of which {shared:,} are those of {first.name}, which has {len(first.rows):,}"
    return Problem(f"it was judged by other rows: {counts}", "Give both recipes one file as data.test, and train again", str(run.place))


def cost(run: Judgement) -> dict[str, Any]:
    """Seconds of training, and bytes of the weights that answer: of an ensemble those of all members."""
    models = [run.model]
    if (run.place / ENSEMBLE).exists():
        models = [run.place / member["run"] / "model" for member in read_json(run.place / ENSEMBLE)["members"]]
    sizes = [path.stat().st_size for model in models for path in model.rglob("*") if path.suffix in WEIGHTS]
    return {"seconds": run.scores["seconds"]["train"], "bytes": sum(sizes)}


def difference(first: Judgement, other: Judgement, most: int) -> dict[str, Any]:
    """What another run does better and worse than the first."""
    before, after = first.judged, other.judged
    pairs = list(zip(first.lines, other.lines, strict=True))
    better = [pair for pair in pairs if pair[1]["correct"] > pair[0]["correct"]]
    worse = [pair for pair in pairs if pair[1]["correct"] < pair[0]["correct"]]

    def shown(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
        answers = {run.name: {name: line[name] for name in SAID if name in line} for run, line in ((first, one), (other, two))}
        return {"row": one["row"], "text": one.get("text"), "truth": one.get("truth"), "answers": answers}

    return {
        "run": other.name,
        "over": first.name,
        "gain": folders.plain(gain(first.scores["primary"], before, after)),
        "flips": flips(before.correct, after.correct),
        "better": [shown(*pair) for pair in better[:most]],
        "worse": [shown(*pair) for pair in worse[:most]],
    }
