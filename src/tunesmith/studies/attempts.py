"""What a trial of a search learns and what that is worth on validation rows, for each kind of recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.observer import Observer
from tunesmith.core.run import Run, best_index
from tunesmith.core.task import Row
from tunesmith.core.words import Say
from tunesmith.data.encode import encode
from tunesmith.data.load import Data, load
from tunesmith.engine.loop import Fitted
from tunesmith.engine.settings import Training
from tunesmith.evaluate.score import predict
from tunesmith.evaluate.threshold import Thresholds
from tunesmith.model.build import build_for
from tunesmith.recipes.places import placed
from tunesmith.recipes.recipe import Recipe
from tunesmith.run import Carry, Learned, carry_out, learn
from tunesmith.studies import mixture, preparing
from tunesmith.studies.cutting import Cutting
from tunesmith.studies.sequence import by_model, on_each
from tunesmith.studies.stages import carry_stages, check_parts, in_turn, label, passed_on, places_of, prepare, settle_in, trained, within
from tunesmith.tuned import decided


@dataclass(frozen=True)
class Worth:
    """What a trial scored on validation rows at each evaluation, and in the end with the weights that would be shipped."""

    curve: list[float]
    score: float


@dataclass(frozen=True)
class Attempt:
    """A trial that is to be trained, in its folder ``place``; ``cutting`` may end it early."""

    recipe: Recipe
    place: Path
    watch: Sequence[Observer]
    cutting: Cutting | None
    say: Say

    @property
    def watched(self) -> list[Observer]:
        """Who watches what is judged as the trial is."""
        return [*self.watch, *([self.cutting] if self.cutting else [])]


@dataclass(frozen=True)
class Kind:
    """How trials of a kind of recipe are trained and judged.

    ``learn``   trains one, from wherever it stands, and says what it is worth
    ``judged``  the data on whose validation rows that is found, by the names of their parts. Raises ``InputError`` for what is wrong with
                them, or with the model, in every trial
    ``carry``   trains, judges and reports on one as a run
    ``score``   which score that is, for people
    """

    learn: Callable[[Attempt], Worth]
    judged: Callable[[Recipe], Mapping[str, Data]]
    carry: Carry
    score: str = ""


def kind_of(recipe: Recipe) -> Kind:
    """The kind that a recipe is of, whatever search or ensemble stands around it."""
    if recipe.sequence:
        return Kind(learn_sequence, lambda made: labelled(made, prepare(made)), carry_stages, "the average of all stages at the end")
    if recipe.stages:
        return Kind(learn_stages, lambda made: dict([*labelled(made, prepare(made)).items()][-1:]), carry_stages, "that of the last stage")
    if recipe.tasks:
        return Kind(learn_tasks, lambda made: preparing.prepare(made, lambda line: None).judged_data, mixture.carry_tasks)
    return Kind(learn_one, lambda made: {"": read(made)}, carry_out)


@placed
def check(recipe: Recipe) -> None:
    """Read the data of a recipe and build its model: what is wrong with it is wrong with every trial, and raised at once."""
    for name, data in kind_of(recipe).judged(recipe).items():
        if data.validation is None:
            message = f"a search chooses by the validation rows, and there are none{f' of {name}' if name else ''}"
            raise InputError(Problem(message, "Give data.validation: 10%, or a file", key="data.validation"))


def read(recipe: Recipe) -> Data:
    """The data of a recipe of one task, whose model and strategies are found to be right."""
    data = load(recipe.data, recipe.task, recipe.seed, recipe.base_folder)
    check_parts(recipe)
    build_for(recipe.task, recipe.model_spec)
    return data


def labelled(recipe: Recipe, data: Sequence[Data]) -> dict[str, Data]:
    return {label(recipe.stages, number): own for number, own in enumerate(data)}


def worth(fitted: Fitted, training: Training) -> Worth:
    """What a model is worth by the evaluations while it was trained."""
    task = fitted.run.task
    curve = [float(scores[task.primary]) for scores in fitted.run.evaluations]
    return Worth(curve, curve[best_index(curve, task.higher_is_better) if training.ship == "best" else -1])


def learn_one(attempt: Attempt) -> Worth:
    learned = learn(attempt.recipe, attempt.place, attempt.watched, None, attempt.say)
    return worth(learned.fitted, learned.recipe.training)


def learn_tasks(attempt: Attempt) -> Worth:
    made = preparing.prepare(attempt.recipe, attempt.say)
    return worth(mixture.learn_tasks(made, attempt.place, attempt.watched, attempt.say), attempt.recipe.training)


def learn_stages(attempt: Attempt) -> Worth:
    """Stages are judged by the last of them, and cut short in that one alone."""
    *_, (_, learned) = learned_in_turn(attempt, prepare(attempt.recipe), attempt.watched)
    assert learned is not None
    return worth(learned.fitted, learned.recipe.training)


def learn_sequence(attempt: Attempt) -> Worth:
    """After each stage of a sequence the rows of all so far are judged, and it may be cut short."""
    recipe, data = attempt.recipe, prepare(attempt.recipe)
    places, rows = places_of(recipe, attempt.place), [list(part.validation or []) for part in data]
    curve: list[float] = []
    for number, (stage, learned) in enumerate(learned_in_turn(attempt, data, attempt.watch)):
        if learned is None:
            task = decided(stage.task, places[number])
            found = by_model(recipe, task, str(passed_on(stage, places[number])), rows[: number + 1])
        else:
            found = of_last(learned.fitted.run, rows)
        curve.append(fmean(found))
        if learned is None and attempt.cutting and attempt.cutting.cuts(curve, stage.task.higher_is_better):
            break
    return Worth(curve, curve[-1])


def of_last(run: Run, rows: Sequence[Sequence[Row]]) -> list[float]:
    """The primary metric on the rows of each stage, of the model that has learned the last one, with the threshold it would ship with."""
    run.model.eval()
    thresholds = Thresholds(run.task, rows[-1])
    if thresholds.rows:
        thresholds.choose("tuned", predict(run.forward, encode(rows[-1], run.task, run.tokenizer), run.task, run.tokenizer), 0)
    return on_each(thresholds.task_of("tuned"), run.forward, run.tokenizer, rows)


def learned_in_turn(attempt: Attempt, data: Sequence[Data], watch: Sequence[Observer]) -> Iterator[tuple[Recipe, Learned | None]]:
    """The stages, each when it is trained; of the last one what it learned, which ``watch`` watches and no test row has judged."""
    places = places_of(attempt.recipe, attempt.place)
    turns = in_turn(attempt.recipe, data, places, attempt.say)
    for (stage, due), place, own in zip(turns, places, data, strict=True):
        learned = None
        if place == places[-1]:
            with within(attempt.place, f"stage {place.name}"):
                settle_in(stage, place)
                learned = learn(stage, place, watch, own, attempt.say)
        elif due:
            trained(stage, place, attempt.watch, own)
        yield stage, learned
