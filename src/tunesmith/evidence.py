"""What a run was, gathered for its report when it is done."""

from __future__ import annotations

import json
import resource
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.param import Param
from tunesmith.core.run import Run
from tunesmith.data.encode import Encoded
from tunesmith.data.hub import HUB_ID
from tunesmith.data.lint import lint
from tunesmith.data.load import Data
from tunesmith.data.readers import format_of
from tunesmith.data.settings import IN_MEMORY
from tunesmith.data.source import SAMPLE
from tunesmith.engine.events import read_events
from tunesmith.engine.loop import Fitted
from tunesmith.model.bottleneck import bottlenecks
from tunesmith.model.neighbours import NAME as NEIGHBOURS
from tunesmith.model.sources import ModelSource
from tunesmith.proof import Proof
from tunesmith.recipes.find import name_of
from tunesmith.recipes.recipe import Recipe
from tunesmith.recipes.resolved import shortened
from tunesmith.recipes.validate import as_plain
from tunesmith.report.facts import Facts
from tunesmith.report.folder import RECIPES, environment
from tunesmith.report.groups import warnings
from tunesmith.samples.catalogue import SAMPLES

WORST = 12  # errors shown


def gather(recipe: Recipe, fitted: Fitted, rows: Encoded, data: Data, proof: Proof, folder: Path) -> Facts:
    """Everything that the card, the page and the table say."""
    events = read_events(folder / "events.jsonl")
    source, run = fitted.model.source, fitted.run
    family = str(getattr(getattr(fitted.model.module, "config", None), "model_type", ""))
    datasets = dataset_names(recipe)
    licences, languages = rights(source, datasets)
    return Facts(
        name=folder.name,
        task=name_of(recipe.task),
        scores=proof.scores,
        recipe_text=shortened(recipe),
        command=command(recipe, folder),
        model_about=fitted.model.about,
        base_model=source.base_model,
        licences=licences,
        datasets=datasets,
        languages=languages,
        auto="" if bottlenecks(fitted.model.module) or hasattr(fitted.model.module, NEIGHBOURS) else recipe.task.head().of(family).auto,
        adapter=hasattr(fitted.model.module, "peft_config"),
        events=events,
        errors=proof.errors(WORST),
        lengths=rows.lengths.tolist(),
        max_length=getattr(recipe.task, "max_length", None),
        truncated=rows.truncated,
        bounds=recipe.task.bounds,
        rows={**{split: len(examples) for split, examples in (data.splits() | data.tests).items()}, "skipped": len(data.skipped)},
        notes=data.notes,
        warnings=[*map(str, lint(data)), *warnings(proof.scores)],
        environment=environment(),
        strategies=described([*recipe.strategies, *recipe.watch]),
        changes=[
            {"strategy": name_of(part), "before": before, "after": after} for part in recipe.strategies for before, after in part.changes()
        ],
        sections=[section for part in (*recipe.strategies, *recipe.watch) for section in part.sections()],
        parameters=parameters(run),
        seconds=proof.scores["seconds"]["train"],
        tokens_per_second=proof.scores["tokens_per_second"],
        peak_memory=peak_memory(),
        examples=proof.examples(),
    )


def described(parts: Iterable[Any]) -> list[dict[str, Any]]:
    """Strategies and observers as the report lists them."""
    return [{"name": name_of(part), "settings": as_plain(part), "summary": (type(part).__doc__ or "").partition("\n")[0]} for part in parts]


def applied(told: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The strategies of all parts of a run, those with the same settings once, with the parts that have them where not all do."""
    found: dict[str, dict[str, Any]] = {}
    for name, own in told.items():
        for strategy in own:
            found.setdefault(json.dumps(strategy), {**strategy, "parts": []})["parts"].append(name)
    return [{**strategy, "parts": [] if len(strategy["parts"]) == len(told) else strategy["parts"]} for strategy in found.values()]


def command(recipe: Recipe, folder: Path) -> str:
    """The command that repeats the run; empty where the recipe holds what no file can: data in memory, or code of the user's own."""
    for part in (*recipe.stages, *recipe.tasks.values()) or (recipe,):
        own = (part.task, *part.all_strategies, *part.watch)
        if IN_MEMORY in str(as_plain(part.data)) or any(":" in name_of(written) for written in own):
            return ""
    return f"tunesmith train {shlex.quote(str(folder / RECIPES[0]))} --run {shlex.quote(folder.name + '-again')}"


def dataset_names(recipe: Recipe) -> list[str]:
    """The training data by name: samples, data sets of the hub, and files by their own names."""
    given = recipe.data.train
    specs = [spec for spec in (given if isinstance(given, list | tuple) else [given]) if isinstance(spec, str)]

    def name(spec: str) -> str:
        if spec.startswith(SAMPLE):
            return spec.removeprefix(SAMPLE).partition("/")[0]
        local = (recipe.base_folder / spec).exists() or format_of(Path(spec))
        found = None if local else HUB_ID.fullmatch(spec)
        return found[1] if found else Path(spec).name

    return list(dict.fromkeys(map(name, specs)))


def rights(source: ModelSource, datasets: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The licence of the base and of each data set by name, and the languages of the texts, as far as they are known."""
    samples = {name: SAMPLES[name] for name in datasets if name in SAMPLES}
    licences = {name: sample.licence for name, sample in samples.items()}
    return {source.base_model: source.licence, **licences}, sorted({sample.language for sample in samples.values()})


def parameters(run: Run) -> list[dict[str, Any]]:
    """What learned, from the bottom of the model up: weights and, for those that learn at the end, multiples of the rate by depth."""

    def part(depth: int, params: Sequence[Param]) -> dict[str, Any]:
        layers = params[0].layers
        rates = [run.rules[param.name].rate for param in params if run.rules[param.name].learns]
        return {
            "part": "embeddings" if depth == 0 else f"layer {depth}" if depth <= layers else "head",
            "total": sum(param.size for param in params),
            "learning": sum(param.size for param in params if param.name in run.touched),
            "rate": float(np.median(rates)) if rates else None,
        }

    by_depth = groupby(sorted(run.params.values(), key=attrgetter("depth")), attrgetter("depth"))
    return [part(depth, list(params)) for depth, params in by_depth]


def peak_memory() -> float:
    """The most memory that this process held, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
