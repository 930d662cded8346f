"""The trials of a search for people: as lines, as a table, and as sections of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tunesmith.report import numbers
from tunesmith.studies.trials import DONE, Trial

SEARCH = "Search"
SHOWN = 10  # trials in the terminal


def settings(values: Mapping[str, Any]) -> str:
    """The values of a trial: ``learning_rate 0.00012, rank 8``. A key is called by its last word, where that is its own."""
    return ", ".join(f"{name} {written(value)}" for name, value in zip(names(list(values)), values.values(), strict=True))


def names(paths: list[str]) -> list[str]:
    """Keys by their last words; in full where two would be called alike."""
    last = [path.rpartition(".")[2] for path in paths]
    return [name if last.count(name) == 1 else path for name, path in zip(last, paths, strict=True)]


def written(value: Any) -> str:
    """A value with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def outcome(trial: Trial, metric: str) -> str:
    """What came of a trial, in a few words."""
    if trial.score is not None:
        return f"{numbers.title(metric)} {numbers.value(metric, trial.score)}"
    return trial.reason if trial.reason.startswith(trial.state) else f"{trial.state}: {trial.reason}"


def ranked(found: Mapping[str, Any]) -> list[Trial]:
    """The trials that ``scores.json`` holds, the best first and those without a score last."""
    sign = 1 if found["higher_is_better"] else -1
    return sorted((Trial(**trial) for trial in found["trials"]), key=lambda t: (t.score is None, -sign * (t.score or 0.0), t.number))


def table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headers and rows, the best trial first: its number, its settings, its score or what became of it, evaluations and seconds."""
    trials, metric = ranked(found), found["metric"]
    head = ["trial", *names(list(trials[0].values)), numbers.title(metric), "evaluations", "seconds"]

    def row(trial: Trial) -> list[str]:
        score = numbers.value(metric, trial.score) if trial.state == DONE else trial.state
        return [str(trial.number), *map(written, trial.values.values()), score, str(len(trial.curve)), f"{trial.seconds:.0f}"]

    return head, [row(trial) for trial in trials]


def sections(found: Mapping[str, Any], best: str) -> Iterator[dict[str, Any]]:
    """All trials, what mattered, and why some have no score, for the page. ``best`` is the folder of the best, which has a page too."""
    head, rows = table(found)
    columns = [{"name": head[0]}, *({"name": name, "format": "figure"} for name in head[1:])]
    score = f", by {found['score']}" if found.get("score") else ""
    about = f"Judged on the validation rows{score}; trial {found['best']} was then judged on the rows of the scores above."
    kind = {"group": SEARCH, "wide": True}
    data = {"columns": columns, "rows": rows, "links": {str(found["best"]): f"{best}/report.html"}}
    yield {"title": "Trials", "kind": "table", "data": data, "about": about, **kind}
    if found["importance"]:
        paths = list(found["importance"])
        items = [
            {"label": name, "value": share, "text": numbers.share(share), "tone": "tuned"}
            for name, share in zip(names(paths), found["importance"].values(), strict=True)
        ]
        about = "The share of the differences between finished trials that each setting explains, as far as so few can tell."
        yield {"title": "What mattered", "kind": "bars", "data": {"items": items, "high": 1.0}, "about": about, **kind}
    if lost := [f"trial {trial.number}: {outcome(trial, found['metric'])}" for trial in ranked(found) if trial.score is None]:
        yield {"title": "Trials without a score", "kind": "notes", "data": {"items": lost}, **kind}
