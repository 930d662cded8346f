"""The report on a run of several tasks: scores of each and of all, a model folder and a page for each, and a page for the whole."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tunesmith.core.mixture import MEAN, mean_of_tasks, through
from tunesmith.data.encode import Encoded
from tunesmith.data.load import Data
from tunesmith.engine import distributed
from tunesmith.engine.loop import Fitted
from tunesmith.evidence import applied, command, described, gather
from tunesmith.model.adapters import merged
from tunesmith.model.save import save
from tunesmith.proof import Proof
from tunesmith.recipes.recipe import Recipe
from tunesmith.recipes.resolved import resolved, shortened
from tunesmith.report import folder as folders
from tunesmith.report import numbers, outcome
from tunesmith.report.card import card
from tunesmith.report.facts import Facts
from tunesmith.report.page import page
from tunesmith.run import RESOLVED, Report
from tunesmith.studies import single
from tunesmith.tuned import tell

NAME = "several_tasks"
TASKS = "Tasks"
SECTIONS = (outcome.every_score, outcome.every_test, outcome.per_class, outcome.confusion, outcome.examples, outcome.worst_errors)


@dataclass(frozen=True)
class Part:
    """One task of a run of several: its recipe and what came of it, as if it had been trained alone."""

    recipe: Recipe
    fitted: Fitted
    rows: Encoded
    data: Data
    proof: Proof


def report(recipe: Recipe, parts: Mapping[str, Part], fitted: Fitted, folder: Path, alone: Mapping[str, Any]) -> Report:
    """Write what the run leaves; ``scores.json`` comes last and says that it is finished. ``alone`` is how tasks do alone, by name."""
    scores = whole_scores(parts) | ({"single": alone} if alone else {})
    facts = {name: part_facts(recipe, part, folder) for name, part in parts.items()}
    whole = whole_facts(recipe, scores, facts, fitted, folder)
    if distributed.first():
        write_parts(parts, facts, fitted, folder)
        folders.write_text(folder / RESOLVED, resolved(recipe))
        told = {name: {"rows": own.rows, "notes": own.notes, "warnings": own.warnings} for name, own in facts.items()}
        folders.write_json(folder / "data.json", {"tasks": told})
        folders.write_text(folder / "README.md", card(whole))
        folders.write_text(folder / "report.html", page(whole))
        folders.write_json(folder / "scores.json", scores)
    distributed.barrier()
    return Report(folder, scores, whole)


def write_parts(parts: Mapping[str, Part], facts: Mapping[str, Facts], fitted: Fitted, folder: Path) -> None:
    """Of each task a model folder with its card in ``model/NAME``, and in ``tasks/NAME`` its scores, predictions and page."""
    module: Any = fitted.model.module
    forward = fitted.run.forward
    if hasattr(module, "peft_config"):
        forward = replace(forward, module=merged(copy.deepcopy(module)))
    for name, part in parts.items():
        model, own = folder / "model" / name, folder / "tasks" / name
        written = replace(part.fitted.model, module=through(name, forward).module)
        part.recipe.task.meet(written.module, written.tokenizer)  # tasks that share a head may have told it otherwise
        save(written, model)
        for path, content in part.recipe.task.files(part.fitted.model.module).items():
            (model / path).parent.mkdir(exist_ok=True)
            folders.write_json(model / path, content)
        tell(part.recipe, model)
        folders.write_text(model / "README.md", card(facts[name]))
        own.mkdir(parents=True, exist_ok=True)
        part.proof.write(own)
        folders.write_text(own / "report.html", page(facts[name]))
        folders.write_json(own / "scores.json", part.proof.scores)


def whole_scores(parts: Mapping[str, Part]) -> dict[str, Any]:
    """The mean of the tasks' primary metrics and these themselves, of base and tuned model; under ``tasks`` the scores of each."""
    found = {name: part.proof.scores for name, part in parts.items()}
    tasks = {name: part.recipe.task for name, part in parts.items()}

    def side(which: str) -> dict[str, float]:
        primaries = {name: scores[which].get(scores["primary"]) for name, scores in found.items()}
        known = {name: value for name, value in primaries.items() if value is not None}
        mean = {MEAN: mean_of_tasks(known, tasks)} if len(known) == len(found) else {}
        return {**mean, **{f"{name}_{found[name]['primary']}": value for name, value in known.items()}}

    base, tuned = side("base"), side("tuned")
    both = MEAN in base and MEAN in tuned
    gain = {MEAN: {"delta": tuned[MEAN] - base[MEAN], "ci95": interval(found, tasks)}} if both else {}
    first, splits = next(iter(found.values())), {scores["split"] for scores in found.values()}
    return {
        "task": NAME,
        "split": splits.pop() if len(splits) == 1 else "judged",
        "examples": sum(scores["examples"] for scores in found.values()),
        "primary": MEAN,
        "base": base,
        "tuned": tuned,
        "gain": gain,
        "baselines": {},
        "flips": {key: sum(scores["flips"][key] for scores in found.values()) for key in first["flips"]},
        "base_is": "; ".join(f"{name}: {scores['base_is']}" for name, scores in found.items()),
        "seconds": first["seconds"],
        "tokens_per_second": first["tokens_per_second"],
        "tasks": found,
    }


def interval(found: Mapping[str, Mapping[str, Any]], tasks: Mapping[str, Any]) -> list[float] | None:
    """The 95% interval of the mean gain: that of a mean of independent gains, whose rows differ. None where one of them has none."""
    gains = [scores["gain"].get(scores["primary"], {}) for scores in found.values()]
    if not all(gain.get("ci95") for gain in gains) or not all(task.higher_is_better for task in tasks.values()):
        return None
    mean = math.fsum(gain["delta"] for gain in gains) / len(gains)
    low, high = (math.hypot(*(gain["ci95"][end] - gain["delta"] for gain in gains)) / len(gains) for end in (0, 1))
    return [mean - low, mean + high]


def part_facts(recipe: Recipe, part: Part, folder: Path) -> Facts:
    """The facts of one task, as those of a run of its own."""
    own = gather(part.recipe, part.fitted, part.rows, part.data, part.proof, folder)
    return replace(own, name=folder.name, recipe_text=shortened(recipe), command=command(recipe, folder), tasks=[part.recipe.name])


def whole_facts(recipe: Recipe, scores: dict[str, Any], facts: Mapping[str, Facts], fitted: Fitted, folder: Path) -> Facts:
    """What the page of the whole run shows: a table of the tasks, and the sections of each in a chapter of its own."""
    first = next(iter(facts.values()))
    own = [
        {**asdict(section), "group": name, "title": f"{section.title}: {name}"}
        for name, of_task in facts.items()
        for build in SECTIONS
        if (section := build(of_task))
    ]
    alone = [single.section(scores["single"], scores["seconds"]["train"])] if "single" in scores else []
    uses = dict.fromkeys(use for of_task in facts.values() for use in of_task.rows)
    return replace(
        first,
        task=NAME,
        scores=scores,
        model_about=fitted.model.about,
        licences={name: licence for of_task in facts.values() for name, licence in of_task.licences.items()},
        datasets=list(dict.fromkeys(name for of_task in facts.values() for name in of_task.datasets)),
        languages=sorted({language for of_task in facts.values() for language in of_task.languages}),
        auto="",
        errors=[],
        examples=[],
        lengths=[length for of_task in facts.values() for length in of_task.lengths],
        max_length=None,
        truncated=sum(of_task.truncated for of_task in facts.values()),
        rows={use: sum(of_task.rows.get(use, 0) for of_task in facts.values()) for use in uses},
        notes=[f"{name}: {note}" for name, of_task in facts.items() for note in of_task.notes],
        warnings=[f"{name}: {warning}" for name, of_task in facts.items() for warning in of_task.warnings],
        tasks=list(facts),
        strategies=applied({name: described([*part.all_strategies, *part.watch]) for name, part in recipe.tasks.items()}),
        changes=[{**change, "strategy": f"{name}: {change['strategy']}"} for name, of_task in facts.items() for change in of_task.changes],
        sections=[summary(scores["tasks"]), *alone, *own],
    )


def summary(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The tasks as a section of the report."""
    columns = [{"name": name} for name in ("task", "kind", "metric", "the base is used")]
    columns += [{"name": name, "format": "figure"} for name in ("base", "tuned", "rows")]

    def row(name: str, scores: Mapping[str, Any]) -> list[Any]:
        metric = scores["primary"]
        figures = [numbers.value(metric, scores[side].get(metric)) for side in ("base", "tuned")]
        return [name, scores["task"].replace("_", " "), numbers.title(metric), scores["base_is"], *figures, f"{scores['examples']:,}"]

    about = "One trunk, and a head for each task. In the mean of tasks an error e counts as 1 / (1 + e). Each task has a page of its own."
    rows = [row(name, scores) for name, scores in found.items()]
    return {"title": TASKS, "kind": "table", "data": {"columns": columns, "rows": rows}, "about": about, "group": TASKS, "wide": True}
