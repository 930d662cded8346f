"""A run of several tasks: one trunk and a head for each, trained together, and each judged and exported on its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.checking import Checked, estimate, probe
from tunesmith.core.forward import Forward
from tunesmith.core.mixture import MEAN, mean_of_tasks, through
from tunesmith.core.observer import Observer
from tunesmith.core.words import Say
from tunesmith.data.encode import encode
from tunesmith.data.lint import lint, untested
from tunesmith.engine.checkpoint import INTERRUPTED, Checkpoints
from tunesmith.engine.evaluation import Score
from tunesmith.engine.events import EventLog, read_events, training_time
from tunesmith.engine.loop import Fitted, fit
from tunesmith.evaluate.score import scorer
from tunesmith.explaining import Explanation, explained, phase
from tunesmith.proof import prove
from tunesmith.recipes.places import placed
from tunesmith.recipes.recipe import Recipe
from tunesmith.recipes.resolved import recipe_hash
from tunesmith.run import EVENTS, Report, interruption, rows_named
from tunesmith.studies.preparing import Prepared, prepare
from tunesmith.studies.single import Single, carry_singles, recipes_of
from tunesmith.studies.tasks_report import Part, report


@placed
def carry_tasks(recipe: Recipe, folder: Path, watch: Sequence[Observer]) -> Report:
    """Train all tasks together, judge each beside its base, and report on all of them."""

    def say(message: str) -> None:
        for observer in watch:
            observer.say(message)

    made = prepare(recipe, say)
    for note in made.notes():
        say(note)
    say(made.model.about)
    fitted = learn_tasks(made, folder, watch, say)
    parts = judged(made, fitted, training_time(read_events(folder / EVENTS)), say)
    alone = recipes_of(recipe)[0] if recipe.single_task else {}
    singles = {name: Single(own, made.data[name], parts[name].proof) for name, own in alone.items()}
    return report(recipe, parts, fitted, folder, carry_singles(singles, folder, watch, say))


def learn_tasks(made: Prepared, folder: Path, watch: Sequence[Observer], say: Say) -> Fitted:
    """Train all tasks together, from wherever the run in ``folder`` stands. Raises ``InterruptedRunError`` where it was asked to stop."""
    recipe = made.recipe
    digest = hashlib.sha256("".join(data.fingerprint for data in made.data.values()).encode()).hexdigest()
    checkpoints = Checkpoints(folder / "checkpoints", recipe.training.keep, {"recipe": recipe_hash(recipe), "data": digest})
    events = EventLog(folder / EVENTS, recipe.training.log_every)
    strategies, training = [*made.strategies, made.mixed], recipe.training
    observers = [*recipe.watch, *watch, events, checkpoints]
    with rows_named(made.place):
        fitted = fit(made.model, made.task, made.train, strategies, training, validation(made, say), observers)
    if fitted.reason == INTERRUPTED:
        raise interruption(folder, fitted.run.clock.step, checkpoints.interrupted_by())
    if training.ship == "best":
        checkpoints.load_best(fitted.run)
    fitted.run.let_go()
    return fitted


def validation(made: Prepared, say: Say) -> Score | None:
    """The metrics that decide of all tasks on their validation rows, and their mean; None where no task has such rows."""
    scores = {}
    for name, part in made.judged.items():
        if (rows := made.data[name].validation) is not None:
            tokenizer = made.models[name].tokenizer
            scores[name] = scorer(part.task, rows, encode(rows, part.task, tokenizer), tokenizer, say)
    if scores and (without := made.judged.keys() - scores.keys()):
        say(f"the mean of tasks that chooses what is shipped is without {', '.join(sorted(without))}: no validation rows")
    tasks = {name: made.recipe.tasks[name].task for name in scores}

    def score(forward: Forward) -> dict[str, Any]:
        found = {name: one(through(name, forward)).get(tasks[name].primary) for name, one in scores.items()}
        known = {name: value for name, value in found.items() if value is not None}
        mean = {MEAN: mean_of_tasks(known, tasks)} if len(known) == len(tasks) else {}
        return {**mean, **{f"{name}_{tasks[name].primary}": value for name, value in known.items()}}

    return score if scores else None


def judged(made: Prepared, fitted: Fitted, time: tuple[float, float], say: Say) -> dict[str, Part]:
    """Every task that is not auxiliary, judged like a run of its own."""
    found = {}
    for name, part in made.judged.items():
        say(f"judging {name}: the tuned model, its base and simple baselines on the same rows")
        own = made.models[name]
        head = through(name, fitted.run.forward).module
        forward = Forward(head, fitted.run.device, fitted.run.forward.dtype)
        run = replace(fitted.run, model=head, task=part.task, forward=forward, tokenizer=own.tokenizer)
        alone = Fitted(replace(own, module=head), run, fitted.reason)
        proof = prove(part, alone, made.data[name], time, say)
        found[name] = Part(replace(part, task=proof.task, strategies=part.all_strategies), alone, made.rows[name], made.data[name], proof)
    return found


@placed
def check(recipe: Recipe, say: Say) -> Checked:
    """What is known of a mixture before training. The steps that are timed draw rows by size, whatever the rule."""
    made = prepare(recipe, say)
    done = probe(replace(recipe, task=made.task, strategies=made.strategies), made.model, made.train)
    findings = [replace(f, split=f"{name}, {f.split}") for name, data in made.data.items() for f in lint(data)]
    findings += [replace(f, split=f"{name}, {f.split}") for name in made.judged for f in untested(made.data[name])]
    rows = [data.validation for name, data in made.data.items() if name in made.judged and data.validation is not None]
    median, most, longest = (int(n) for n in np.percentile(made.train.lengths, [50, 95, 100]))
    return Checked(
        model=made.model.about,
        notes=made.notes(),
        rows=len(made.train),
        lengths=(median, most, longest),
        truncated=made.train.truncated,
        bounds=made.task.bounds,
        rates=done.rates,
        phases=[phase(done.run.params, stretch) for stretch in done.stretches],
        said=done.watch.said,
        cost=estimate(recipe.training, done, int(made.train.lengths.sum()), sum(map(len, rows)) / len(made.train)),
        findings=findings,
        preview=[],
    )


def explain(recipe: Recipe, say: Say) -> Explanation:
    """Who acts where in a mixture, and what learns when."""
    made = prepare(recipe, say)
    for note in made.notes():
        say(note)
    strategies = [*made.strategies, made.mixed]
    return explained(replace(recipe, task=made.task, strategies=strategies), made.model, len(made.train), [])
