"""The report on a run of several stages: its model beside the untouched base, and what every stage brought."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tunesmith.core.words import duration
from tunesmith.data.load import Data
from tunesmith.engine.events import read_events
from tunesmith.evidence import applied, command, dataset_names, rights
from tunesmith.model.files import read_json
from tunesmith.model.sources import resolve
from tunesmith.proof import Proof, Untuned, judged_rows, proven
from tunesmith.recipes.recipe import Recipe
from tunesmith.recipes.resolved import shortened
from tunesmith.report import making, numbers, outcome
from tunesmith.report.facts import Facts, sizes_together
from tunesmith.run import EVENTS
from tunesmith.studies.sequence import Matrix, section
from tunesmith.tuned import tuned_for

BEGINS = {  # what a stage begins with
    "in turn": "Each stage begins with the model of the one before, which is what it is compared with, on rows of its own.",
    "routed": "Each stage begins with the base and is compared with it, on rows of its own, which are told to be of this stage.",
}
SHOWN = ("task", "split", "examples", "primary", "base", "tuned", "seconds")  # what the whole run's scores say of each stage


def beside_base(stage: Recipe, base: str, place: Path, data: Data) -> Proof:
    """The model that the last stage shipped to ``place`` and the untouched ``base``, judged on the rows of that stage."""
    tuned = tuned_for(stage, str(place / "model"))
    untuned = Untuned(replace(stage, model=base), judged_rows(data))
    return proven(stage, untuned, data, lambda asked: tuned.predictions(asked.truths, tuned.forward()), (0.0, 0.0))


def whole_scores(recipe: Recipe, places: Sequence[Path], matrix: Matrix, last: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of the whole run: ``last``, those of its last model, those of all stages in short, and of a sequence what it forgot."""
    found = [read_json(place / "scores.json") for place in places]
    stages = [{"name": place.name, **{key: scores[key] for key in SHOWN}} for place, scores in zip(places, found, strict=True)]
    seconds = sum(scores["seconds"]["train"] for scores in found)
    tokens = sum(scores["seconds"]["train"] * scores["tokens_per_second"] for scores in found)
    speed = {"seconds": {"train": round(seconds, 2)}, "tokens_per_second": round(tokens / seconds, 1) if seconds else 0.0}
    return {**last, **speed, "stages": stages, **({"sequence": matrix.scores(recipe)} if recipe.sequence else {})}


def whole_facts(recipe: Recipe, folder: Path, places: Sequence[Path], last: Facts, scores: dict[str, Any]) -> Facts:
    """The facts of the whole run: those of its last stage, with the rows, the time, the strategies and the curves of all."""
    source = resolve(recipe.model_spec)
    datasets = list(dict.fromkeys(name for stage in recipe.stages for name in dataset_names(stage)))
    licences, languages = rights(source, datasets)
    told = {place.name: read_json(place / "data.json") for place in places}
    uses = dict.fromkeys(use for own in told.values() for use in own["rows"])
    said = [f"{place.name}: {line}" for place in places for line in making.said(read_events(place / EVENTS))]
    tables = [summary(scores["stages"], BEGINS["routed" if recipe.routing else "in turn"])]
    shown = [{**section, "title": f"{section['title']}: {name}"} for name, own in told.items() for section in own["sections"]]
    return replace(
        last,
        name=folder.name,
        scores=scores,
        recipe_text=shortened(recipe),
        command=command(recipe, folder),
        base_model=source.base_model,
        licences=licences,
        datasets=datasets,
        languages=languages,
        events=[{"event": "say", "text": line} for line in said],
        **sizes_together([own["sizes"] for own in told.values()]),
        rows={use: sum(own["rows"].get(use, 0) for own in told.values()) for use in uses},
        notes=[f"{name}: {note}" for name, own in told.items() for note in own["notes"]],
        warnings=[f"{name}: {warning}" for name, own in told.items() for warning in own["warnings"]],
        strategies=applied({name: own["strategies"] for name, own in told.items()}),
        changes=[{**change, "strategy": f"{name}: {change['strategy']}"} for name, own in told.items() for change in own["changes"]],
        seconds=scores["seconds"]["train"],
        tokens_per_second=scores["tokens_per_second"],
        sections=[*shown, *curves(places, last), *tables, *([section(scores["sequence"])] if recipe.sequence else [])],
    )


def curves(places: Sequence[Path], last: Facts) -> Iterator[dict[str, Any]]:
    """How each stage learned, as sections of the report."""
    for place in places:
        own = replace(last, events=read_events(place / EVENTS), scores=read_json(place / "scores.json"))
        for build in (outcome.loss_curve, outcome.score_curve):
            if shown := build(own):
                yield {**asdict(shown), "title": f"{shown.title}: {place.name}"}


def summary(stages: Sequence[Mapping[str, Any]], about: str) -> dict[str, Any]:
    """The stages as a section of the report."""
    head, rows = table(stages)
    columns = [{"name": name, "format": "text" if name in ("stage", "task", "metric") else "figure"} for name in head]
    data = {"columns": columns, "rows": rows}
    return {"title": "Stages", "kind": "table", "data": data, "about": about, "group": "Stages", "wide": True}


def table(stages: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Headers and rows: each stage, its task and metric, its scores before and after it, the rows judged and the time of training."""

    def row(stage: Mapping[str, Any]) -> list[str]:
        metric = stage["primary"]
        ends = [numbers.value(metric, stage[side].get(metric)) for side in ("base", "tuned")]
        about = [stage["name"], stage["task"].replace("_", " "), numbers.title(metric)]
        return [*about, *ends, f"{stage['examples']:,}", duration(stage["seconds"]["train"])]

    return ["stage", "task", "metric", "before", "after", "rows", "time"], [row(stage) for stage in stages]
