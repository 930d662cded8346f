"""What a run was, gathered for its report when it is done."""

from __future__ import annotations

import resource
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.param import Param
from tunesmith.core.run import Run
from tunesmith.data.encode import Encoded
from tunesmith.data.lint import lint
from tunesmith.data.load import Data
from tunesmith.engine.events import read_events
from tunesmith.engine.loop import Fitted
from tunesmith.proof import Proof
from tunesmith.recipes.find import about, name_of
from tunesmith.recipes.recipe import Recipe, shortened
from tunesmith.recipes.validate import as_plain
from tunesmith.report.facts import Facts
from tunesmith.report.folder import RECIPES, environment
from tunesmith.samples.catalogue import SAMPLES

WORST = 12  # errors shown
PROBE_LENGTHS = 20_000  # lengths drawn in the histogram


def gather(recipe: Recipe, fitted: Fitted, rows: Encoded, data: Data, proof: Proof, folder: Path) -> Facts:
    """Everything that the card, the page and the table say."""
    events = read_events(folder / "events.jsonl")
    source, run = fitted.model.source, fitted.run
    datasets = dataset_names(recipe)
    return Facts(
        name=folder.name,
        task=name_of(recipe.task),
        scores=proof.scores,
        recipe_text=shortened(recipe),
        command=f"tunesmith train {shlex.quote(str(folder / RECIPES[0]))} --run {shlex.quote(folder.name + '-again')}",
        model_about=fitted.model.about,
        base_model=source.base_model,
        licences={source.base_model: source.licence, **{name: SAMPLES[name].licence for name in datasets if name in SAMPLES}},
        datasets=datasets,
        languages=sorted({SAMPLES[name].language for name in datasets if name in SAMPLES}),
        auto=recipe.task.head().auto,
        adapter=(folder / "model" / "adapter_config.json").exists(),
        events=events,
        errors=proof.errors(WORST),
        lengths=[int(length) for length in rows.lengths[:PROBE_LENGTHS]],
        max_length=getattr(recipe.task, "max_length", None),
        truncated=rows.truncated,
        rows={**{split: len(examples) for split, examples in data.splits().items()}, "skipped": len(data.skipped)},
        notes=data.notes,
        warnings=[str(finding) for finding in lint(data)],
        environment=environment(),
        strategies=[
            {"name": name_of(part), "settings": as_plain(part), "summary": about("strategies", name_of(part))}
            for part in (*recipe.strategies, *recipe.watch)
        ],
        parameters=parameters(run),
        seconds=proof.scores["seconds"]["train"],
        tokens_per_second=proof.scores["tokens_per_second"],
        peak_memory=float(peak_memory()),
        examples=proof.examples(),
    )


def dataset_names(recipe: Recipe) -> list[str]:
    """The data sets by name: those of samples and of the hub; files have no name that the world knows."""
    specs = recipe.data.train if isinstance(recipe.data.train, list) else [recipe.data.train]
    names = [spec.removeprefix("sample:").partition("/")[0] for spec in specs if isinstance(spec, str) and spec.startswith("sample:")]
    return list(dict.fromkeys(names))


def parameters(run: Run) -> list[dict[str, Any]]:
    """What learns at the end of the run, from the bottom of the model up: weights and multiples of the rate by depth."""

    def part(depth: int, params: list[Param]) -> dict[str, Any]:
        layers = params[0].layers
        name = "embeddings" if depth == 0 else f"layer {depth}" if depth <= layers else "head"
        learning = [param for param in params if run.rules[param.name].learns]
        rates = sorted({run.rules[param.name].rate for param in learning})
        return {
            "part": name,
            "total": sum(param.size for param in params),
            "learning": sum(param.size for param in learning),
            "rate": float(np.median(rates)) if rates else 0.0,
        }

    by_depth: Mapping[int, list[Param]] = {}
    for param in run.params.values():
        by_depth.setdefault(param.depth, []).append(param)  # type: ignore[attr-defined]
    return [part(depth, by_depth[depth]) for depth in sorted(by_depth)]


def peak_memory() -> int:
    """The most memory that this process held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
