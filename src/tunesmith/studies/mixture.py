"""A run of several tasks: one trunk and a head for each, trained together, and each judged and exported on its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunesmith.checking import Checked, estimate, probe
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.mixture import MEAN, PLACE, Member, Mixture, mean_of_tasks, through
from tunesmith.core.observer import Observer
from tunesmith.core.run import seed_of
from tunesmith.core.task import Task
from tunesmith.data.batches import length_batches
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.lint import lint, untested
from tunesmith.data.load import Data, load
from tunesmith.data.mixing import MixedRows
from tunesmith.deciding import check_judged, check_watch
from tunesmith.engine.checkpoint import INTERRUPTED, Checkpoints
from tunesmith.engine.evaluation import Score
from tunesmith.engine.events import EventLog, read_events, training_time
from tunesmith.engine.loop import Fitted, fit
from tunesmith.engine.precision import device
from tunesmith.evaluate.score import TOKENS, scorer
from tunesmith.explaining import Explanation, explained, phase
from tunesmith.model.build import Model, build_for
from tunesmith.model.shared import share
from tunesmith.proof import prove
from tunesmith.recipes.places import placed, placing
from tunesmith.recipes.recipe import Recipe
from tunesmith.recipes.resolved import recipe_hash
from tunesmith.run import EVENTS, Report, interruption, rows_named
from tunesmith.studies.single import Single, carry_singles, recipes_of
from tunesmith.studies.tasks_report import Part, report

Say = Callable[[str], None]

SAMPLE = 32  # items of a task whose loss is looked at, for what an item counts in it


@dataclass(frozen=True)
class Prepared:
    """What a mixture is trained with.

    ``data``, ``models`` and ``rows`` are by task: its examples, its own model with the shared layers in it, its training items.
    ``model`` is all of these models as one, ``task`` all tasks as one, and ``train`` their items one after the other
    """

    recipe: Recipe
    data: Mapping[str, Data]
    models: Mapping[str, Model]
    rows: Mapping[str, Encoded]
    model: Model
    task: Mixture
    train: Encoded

    @property
    def judged(self) -> dict[str, Recipe]:
        """The tasks that are judged and exported."""
        return {name: part for name, part in self.recipe.tasks.items() if not part.membership.auxiliary}

    @property
    def judged_data(self) -> dict[str, Data]:
        """Their data."""
        return {name: self.data[name] for name in self.judged}

    @property
    def mixed(self) -> MixedRows:
        """The rule by which rows are drawn, as the innermost strategy."""
        assert self.recipe.mixing is not None
        return MixedRows(self.recipe.mixing, self.recipe.training.batch_size)

    def place(self, row: int) -> tuple[str, int] | None:
        """The file and line of a training row, by its number among those of all tasks."""
        for data in self.data.values():
            if 0 <= row < len(data.train):
                return data.train.place(row)
            row -= len(data.train)
        return None

    def notes(self) -> list[str]:
        """Lines for the user: what each task found in its data, and how often its rows will be met."""
        batch, training = self.recipe.training.batch_size, self.recipe.training
        steps = training.steps or max(1, round(training.epochs * -(-len(self.train) // batch)))
        sizes = {name: len(rows) for name, rows in self.rows.items()}
        counts = self.mixed.rule.counts(sizes, batch, steps, training.seed).sum(axis=0)
        drawn = dict(zip(sizes, counts.tolist(), strict=True))
        met = [f"{name} {count / steps:.3g} (each {count / sizes[name]:.3g} times in all)" for name, count in drawn.items()]
        found = [f"{name}: {note}" for name, data in self.data.items() for note in data.notes]
        mixed = f"mixing by {self.mixed.rule.by}: rows of {', '.join(met)} in a step of {batch}"
        return [*found, mixed, *self._singles()]

    def _singles(self) -> list[str]:
        """A line on the tasks that are trained alone too, where there are any."""
        if not self.recipe.single_task:
            return []
        names, gone = recipes_of(self.recipe)
        without = f", without {' and '.join(gone)}" if gone else ""
        return [f"single_task: {' and '.join(names)} are then trained alone too{without}, which takes about as long again"]


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
    strategies, training = [*recipe.strategies, made.mixed], recipe.training
    observers = [*recipe.watch, *watch, events, checkpoints]
    with rows_named(made.place):
        fitted = fit(made.model, made.task, made.train, strategies, training, validation(made, say), observers)
    if fitted.reason == INTERRUPTED:
        raise interruption(folder, fitted.run.clock.step, checkpoints.interrupted_by())
    if training.ship == "best":
        checkpoints.load_best(fitted.run)
    fitted.run.let_go()
    return fitted


def prepare(recipe: Recipe, say: Say) -> Prepared:
    """Read the data of all tasks, build the model of each, and make them one. Raises ``InputError`` with what is wrong in any task."""
    data: dict[str, Data] = {}
    models: dict[str, Model] = {}
    with each() as trying:
        for name, part in recipe.tasks.items():
            with trying(name), placing(part):
                data[name] = load(part.data, part.task, part.seed, part.base_folder)
    check_judged(recipe, any(own.validation is not None for own in data.values()))
    with each() as trying:
        for name, part in recipe.tasks.items():
            with trying(name), placing(part):
                models[name] = built(part, recipe, models, say)
    rows = {name: encode(data[name].train, part.task, models[name].tokenizer) for name, part in recipe.tasks.items()}
    members = {}
    for name, part in recipe.tasks.items():
        own = models[name]
        members[name] = Member(part.task, own.tokenizer, len(rows[name]), part.membership.weight, worth(part.task, rows[name], own))
    task = Mixture(members)
    check_watch(recipe, task)
    return Prepared(recipe, data, models, rows, joined(models), task, Encoded.join(rows, PLACE))


@contextmanager
def each() -> Iterator[Callable[[str], Any]]:
    """Try the same for several tasks: what is wrong with any of them is told at once, with the task's name."""
    problems: list[Problem] = []

    @contextmanager
    def trying(name: str) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            problems.extend(replace(problem, message=f"task {name}: {problem.message}") for problem in error.problems)

    yield trying
    if problems:
        raise InputError(*problems)


def built(part: Recipe, recipe: Recipe, before: Mapping[str, Model], say: Say) -> Model:
    """The model of one task. A head that was pre-trained, to write above all, is one for all tasks that want it."""
    torch.manual_seed(seed_of(recipe.seed, "head"))
    model = build_for(part.task, recipe.model_spec, say)
    if hasattr(model.module, "peft_config"):
        raise InputError("several tasks cannot begin with an adapter", remedy="Merge it into its base first")
    head = part.task.head()
    if not model.fresh and "id2label" not in head.config:
        alike = (name for name, other in recipe.tasks.items() if name in before and other.task.head() == head)
        if (name := next(alike, None)) is not None:
            model.module = before[name].module
            part.task.meet(model.module, model.tokenizer)
    return model


def joined(models: Mapping[str, Model]) -> Model:
    """The models of all tasks as one."""
    first = next(iter(models.values()))
    new = {id(weight) for model in models.values() for name, weight in model.module.named_parameters() if name in model.fresh}
    module = share({name: model.module for name, model in models.items()})
    heads = [f"{name} ({type(model.module).__name__}{', new' if model.fresh else ''})" for name, model in models.items()]
    about = f"{first.about.partition('; ')[0]}; one trunk with the heads of {', '.join(heads)}"
    return Model(module, first.tokenizer, first.source, about, tuple(n for n, weight in module.named_parameters() if id(weight) in new))


@torch.no_grad()
def worth(task: Task, rows: Encoded, model: Model) -> float:
    """What an item counts on average in the loss of a task: 1 where it is a row, some dozens where it has a tag for each token."""
    some = np.argsort(rows.lengths, kind="stable")[np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int)]
    where = device()
    forward = Forward(model.module.to(where).eval(), where)
    count = 0.0
    for chosen in length_batches(rows.lengths[some], TOKENS):
        batch = task.collate([rows[item] for item in some[chosen].tolist()], model.tokenizer).to(where)
        count += task.objective(batch, forward).count
    return count / len(some) or 1.0


def validation(made: Prepared, say: Say) -> Score | None:
    """The metrics that decide of all tasks on their validation rows, and their mean; None where no task has such rows."""
    scores = {}
    for name, part in made.judged.items():
        if (rows := made.data[name].validation) is not None:
            tokenizer = made.models[name].tokenizer
            scores[name] = scorer(part.task, rows, encode(rows, part.task, tokenizer), tokenizer)
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
        proof = prove(part, alone, made.data[name], time)
        found[name] = Part(replace(part, task=proof.task), alone, made.rows[name], made.data[name], proof)
    return found


@placed
def check(recipe: Recipe, say: Say) -> Checked:
    """What is known of a mixture before training. The steps that are timed draw rows by size, whatever the rule."""
    made = prepare(recipe, say)
    done = probe(replace(recipe, task=made.task), made.model, made.train)
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
    strategies = [*recipe.strategies, made.mixed]
    return explained(replace(recipe, task=made.task, strategies=strategies), made.model, len(made.train), [])
