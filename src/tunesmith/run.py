"""A run from its recipe to its report: the one file that knows every stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tunesmith.core.errors import InputError, InterruptedRunError, Problem
from tunesmith.core.observer import Observer
from tunesmith.core.run import seed_of
from tunesmith.data.encode import encode
from tunesmith.data.load import load
from tunesmith.engine import distributed
from tunesmith.engine.checkpoint import INTERRUPTED, Checkpoints, process_exit
from tunesmith.engine.events import EventLog
from tunesmith.engine.loop import fit
from tunesmith.evaluate.score import scorer
from tunesmith.evidence import Evidence, gather
from tunesmith.model.build import build, save
from tunesmith.proof import prove
from tunesmith.recipes.recipe import Recipe, read_recipe, recipe_hash, resolved, shortened
from tunesmith.report import folder as folders
from tunesmith.report.card import card
from tunesmith.report.page import page

RECIPE, RESOLVED = folders.RECIPES


@dataclass(frozen=True)
class Report:
    """What a run left: its folder and the content of ``scores.json``; ``facts`` is everything that the report page shows."""

    folder: Path
    scores: dict[str, Any] = field(repr=False)
    facts: Any = field(repr=False)


def train(recipe: Recipe, name: str = "", runs: Path | str = "runs", watch: Sequence[Observer] = ()) -> Report:
    """Train what ``recipe`` says, in the new folder ``runs/name``, and report how much better than its base the model became.

    Raises ``InputError`` before any work for what is wrong in the recipe or the data, or a run that exists already.
    """
    with distributed.group():
        folder = Path(runs) / (name or recipe.name or "run")
        if distributed.first():
            folder = folders.create(Path(runs), name or recipe.name or "run")
            folders.write_text(folder / RECIPE, shortened(recipe))
            folders.write_json(folder / "environment.json", folders.environment())
        distributed.barrier()
        return carry_out(recipe, folder, watch)


def resume(folder: Path, watch: Sequence[Observer] = ()) -> Report:
    """Go on with an interrupted run from its newest checkpoint, to the same result. Raises ``InputError`` for a finished run."""
    if (folder / "scores.json").exists():
        remedy = "Train it under another name, with more epochs, or look at its report.html"
        raise InputError(Problem("this run is finished", remedy, str(folder)))
    with distributed.group():
        return carry_out(read_recipe(folder / RECIPE), folder, watch)


def carry_out(recipe: Recipe, folder: Path, watch: Sequence[Observer]) -> Report:
    """recipe -> data -> model -> strategies -> fit -> evaluate -> report."""
    task, training = recipe.task, recipe.training
    evidence = Evidence(watch)
    data = load(recipe.data, task, training.seed, recipe.base_folder)
    evidence.note(*data.notes)
    torch.manual_seed(seed_of(training.seed, "head"))
    model = build(recipe.model_spec, task.head(), evidence.say)
    evidence.note(model.about)
    rows = encode(data.train, task, model.tokenizer)
    score = None
    if data.validation is not None:
        score = scorer(task, data.validation, encode(data.validation, task, model.tokenizer), model.tokenizer)
    identity = {"recipe": recipe_hash(recipe), "data": data.fingerprint}
    checkpoints = Checkpoints(folder / "checkpoints", training.keep, identity)
    observers = [*recipe.watch, evidence, *watch, EventLog(folder / "events.jsonl", training.log_every), checkpoints]
    fitted = fit(model, task, rows, recipe.strategies, training, score, observers)
    if fitted.reason == INTERRUPTED:
        raise interruption(folder, fitted.run.clock.step, checkpoints.interrupted_by())
    if training.ship == "best":
        evidence.shipped(checkpoints.load_best(fitted.run))
    proof = prove(recipe, fitted, data, evidence)
    facts = gather(recipe, fitted, data, proof, evidence, folder)
    if distributed.first():
        folders.write_text(folder / RESOLVED, resolved(recipe))
        save(model, folder / "model")
        proof.write(folder)
        folders.write_text(folder / "README.md", card(facts))
        folders.write_text(folder / "report.html", page(facts))
        folders.write_json(folder / "scores.json", proof.scores)
    distributed.barrier()
    return Report(folder, proof.scores, facts)


def interruption(folder: Path, step: int, number: int) -> InterruptedRunError:
    """The error that ends an interrupted run: where it stands, and how to go on."""
    error = InterruptedRunError(f"Stopped after step {step}; everything is saved", remedy=f"Go on with: tunesmith resume {folder}")
    error.exit_code = process_exit(number)
    return error
