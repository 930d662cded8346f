"""A recipe: which model, which task, which data, which strategies. One object, from a YAML file or from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.setting import setting
from tunesmith.data.settings import DataSettings
from tunesmith.engine.settings import Training
from tunesmith.model.parts import as_spec, parts_of
from tunesmith.recipes import stages, yaml
from tunesmith.recipes.aliases import translate
from tunesmith.recipes.auto import Auto, given_in
from tunesmith.recipes.document import AUTO, Document, Keys, Place
from tunesmith.recipes.ensemble import Seeds, seeds_of
from tunesmith.recipes.entries import model_of, part_of, strategies_of
from tunesmith.recipes.find import name_of
from tunesmith.recipes.foreseen import refuse_absent, refuse_conflicts
from tunesmith.recipes.homes import home, levels
from tunesmith.recipes.mixture import Membership, memberships, mixing_of, single_task
from tunesmith.recipes.routing import routing_of
from tunesmith.recipes.search import Search, search_of
from tunesmith.recipes.validate import Remedy, build

if TYPE_CHECKING:
    from tunesmith.core.observer import Observer
    from tunesmith.core.strategy import Strategy
    from tunesmith.core.task import Task
    from tunesmith.data.mixing import Mixing
    from tunesmith.model.routing import Routing


@dataclass
class Recipe:
    """Everything that a run depends on.

    ``model``        where the weights come from; a pair of models is one text, ``encoder=SPEC,decoder=SPEC``
    ``strategies``   outermost first
    ``watch``        observers among the strategies of the recipe, early stop for example
    ``name``         what the run is called, unless the command line says otherwise
    ``baselines``    whether majority class, linear probe and TF-IDF are judged beside the model
    ``base_folder``  where relative paths start: the folder of the recipe's file
    ``stages``       the recipes of its stages, where it has several: everything else is then that of the last one
    ``sequence``     whether the stages are one task on changing data, and what was learned before is judged after each
    ``routing``      of a sequence whose stages learn a model of their own each: how a row finds that of its stage
    ``tasks``        the recipes of its tasks by name, where they are learned together: everything else is then that of the last one
    ``mixing``       the rule by which the rows of a step are drawn from them
    ``single_task``  whether each of them is trained alone too, and compared with what it is among the others
    ``membership``   of a task among several: what its loss weighs, whether it is judged, and the strategies of it alone
    ``search``       which of its keys vary, where the best of several recipes is looked for
    ``ensemble``     how often it is trained with other seeds, and how the models become one
    ``places``       where its settings stand in its file, or among the overrides, by their keys
    ``auto``         that strategies, rate and length are still to be chosen: by ``deciding.py``, from the data and the model
    """

    model: str
    task: Task
    data: DataSettings
    strategies: list[Strategy] = field(default_factory=list)
    watch: list[Observer] = field(default_factory=list)
    training: Training = field(default_factory=Training)
    name: str = ""
    baselines: bool = True
    base_folder: Path = field(default_factory=Path.cwd)
    stages: list[Recipe] = field(default_factory=list)
    sequence: bool = False
    routing: Routing | None = None
    tasks: dict[str, Recipe] = field(default_factory=dict)
    mixing: Mixing | None = None
    single_task: bool = False
    membership: Membership = field(default_factory=Membership)
    search: Search | None = None
    ensemble: Seeds | None = None
    auto: Auto | None = None
    places: dict[Keys, Place] = field(default_factory=dict, repr=False, compare=False)

    @property
    def seed(self) -> int:
        return self.training.seed

    @property
    def all_strategies(self) -> list[Strategy]:
        """Of a task among several, those of all tasks and those of it alone."""
        return [*self.strategies, *self.membership.strategies]

    @property
    def model_spec(self) -> str:
        """The model as it can be looked up from anywhere: a path in the recipe's folder where there is one, else as it is written."""
        parts = {role: self._placed(spec) for role, spec in parts_of(self.model).items()}
        return as_spec(parts) if parts else self._placed(self.model)

    def _placed(self, spec: str) -> str:
        here = self.base_folder / spec
        return str(here) if here.exists() else spec


@dataclass
class _Written:
    """The keys at the top of a recipe."""

    model: str | dict[str, str] = setting(
        text="a hub id, a folder, a .gguf file, package:module/path or sample:minilm; or two of these: {encoder: ..., decoder: ...}"
    )
    task: Any = setting(text="text_classification, for example")
    data: Any = setting(text="a file, or {train: FILE} with further settings")
    strategies: Any = setting(None, "a list of names, or of {name: {settings}}, outermost first; or auto, or {auto: {memory: 8GB}}")
    training: Any = setting(None, "settings of the training loop")
    seed: Any = setting(0, "start of every random number, 0 or more")
    name: str = setting("", "what the run is called")
    baselines: bool = setting(True, "whether simple models are judged beside the tuned one")
    base_folder: str = setting("", "where relative paths start; the folder of the recipe when absent")
    stages: Any = setting(None, "partial recipes, trained in turn, each from where the last ended; what one does not say is as at the top")
    sequence: Any = setting(None, "stages of one task on changing data, after each of which all of them are judged: lifelong learning")
    tasks: Any = setting(None, "tasks by name, learned together by one model with a head for each: {NAME: {task: ..., data: ...}}")
    mixing: Any = setting(None, "of several tasks: the rule by which the rows of a step are drawn from them")
    single_task: Any = setting(None, "of several tasks: whether each is trained alone too, and the report compares both")
    routing: Any = setting(None, "of a sequence: a model of its own for each stage, and a router by nearest prototype: {prototypes: 1}")
    search: Any = setting(None, "which keys vary, where the best of several recipes is looked for: {space: {KEY: [VALUES]}}")
    ensemble: Any = setting(None, "trains it several times, with other seeds, and makes the models one: {seeds: 3, how: average}")


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML file, with overrides like ``training.epochs=5`` or ``strategies.freeze.layers=2``.

    Raises ``InputError`` with everything that is wrong, each with its place.
    """
    path = Path(path)
    value, places = yaml.read_file(path)
    if not isinstance(value, dict | None):
        raise InputError(Problem("A recipe is a mapping of keys", "Begin with model:, task: and data:", str(path)))
    document = Document(value or {}, {**places, (): Place(str(path))})
    return _recipe(document, overrides, path.resolve().parent, path.stem)


def recipe_from(given: Mapping[str, Any], overrides: Sequence[str] = (), base_folder: Path | None = None) -> Recipe:
    """The recipe in a dictionary with the keys of the YAML file. Any part may be an object: a task, a strategy, ``Training``.

    Objects are copied and checked like written settings. Raises ``InputError`` with everything that is wrong.
    """
    return _recipe(Document(dict(given)), overrides, base_folder or Path.cwd(), "")


def _recipe(document: Document, overrides: Sequence[str], folder: Path, name: str, alone: bool = True) -> Recipe:
    for text in overrides:
        _override(document, text)
    if key := stages.listed(document):
        return _staged(document, key, folder, name)
    translate(document)
    value = document.value
    places = levels(value.get("task"), {f.name for f in fields(_Written)})
    written = build(_Written, value, document, (), home("at the top", places))
    document.check_name(written.name if written else "")
    model = model_of(written.model, document) if written else ""
    task = part_of("tasks", value["task"], document, ("task",), places) if "task" in value else None
    data = build(DataSettings, value["data"], document, ("data",), home("under data", places)) if "data" in value else None
    training = _training(value, document, home("under training", places))
    auto = _auto(document) if document.auto else None
    strategies, watch = strategies_of(value["strategies"], document, places) if not document.auto else ([], [])
    all_made = alone and not document.auto and len(strategies) + len(watch) == len(value["strategies"])
    refuse_conflicts(document, strategies, task if all_made else None)
    stages.refuse_alone(document)
    search = search_of(document, folder, recipe_from)
    ensemble = seeds_of(document)
    base_folder = (folder / (written.base_folder if written else "")).resolve()
    refuse_absent(document, model, data, base_folder)
    document.finish()
    assert written and task and data and training  # noqa: PT018 (what is None has left a problem)
    name = written.name or name or name_of(task).rpartition(":")[2]
    own = Recipe(model, task, data, strategies, watch, training, name, written.baselines, base_folder)
    return replace(own, search=search, ensemble=ensemble, auto=auto, places=document.places)


def _staged(document: Document, key: str, folder: Path, name: str) -> Recipe:
    """A recipe of several stages, or of several tasks."""
    given = document.value.get("name") or name or key
    document.check_name(given)
    recipes: list[Recipe] = []
    for part in stages.split(document, key):
        try:
            recipes.append(_recipe(part, (), folder, "", alone=key != "tasks"))
        except InputError as error:
            document.problems += error.problems
    several = key == "tasks" and isinstance(document.value[key], Mapping)
    if several and document.auto:
        document.refuse(("strategies",), "auto chooses for one task, and the recipe has several", "Write the strategies as a list")
    members, mixing, single = (memberships(document), mixing_of(document), single_task(document)) if several else ({}, None, False)
    for made in recipes:
        if made.name in members:
            refuse_conflicts(document, members[made.name].strategies, made.task)
    routing = routing_of(document, [made.name for made in recipes]) if key == "sequence" else None
    search, ensemble = search_of(document, folder, recipe_from), seeds_of(document)
    document.problems = list(dict.fromkeys(document.problems))  # what is wrong at the top is wrong in each stage
    document.finish()
    if several:
        for made in recipes:
            made.membership = members[made.name]
            made.data = replace(made.data, validation=None, test=None, tests={}) if made.membership.auxiliary else made.data
    whole = replace(recipes[-1], name=given, search=search, ensemble=ensemble)
    if several:
        tasks = {made.name: made for made in recipes}
        of_tasks = {keys: place for keys, place in document.places.items() if keys[:1] == ("tasks",)}
        whole = replace(whole, places={**whole.places, **of_tasks})
        return replace(whole, tasks=tasks, mixing=mixing, single_task=single, membership=Membership())
    return replace(whole, stages=recipes, sequence=key == "sequence", routing=routing)


def _override(document: Document, text: str) -> None:
    """Set what ``key.path=value`` says. A value that is no YAML, ``*.csv`` for example, is a text."""
    dotted, equals, written = text.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        document.problems.append(Problem(f"'{text}' is no override", "Write key.path=value, training.epochs=5 for example"))
        return
    try:
        value, _ = yaml.parse(written, text)
    except InputError:
        value = written
    try:
        located = document.locate(keys)
        if located[-2:-1] == ("training",) and isinstance(shared := document.inside(located[:-1]), Mapping):
            document.give_way(located, stages.superseded(shared, {str(located[-1]): value}))
        document.put(located, value, Place(text))
    except LookupError as error:
        message, remedy = error.args
        document.problems.append(Problem(message, remedy, text))


def _training(value: Mapping[str, Any], document: Document, remedy: Remedy) -> Training | None:
    given = {} if value.get("training") is None else value["training"]
    if "seed" in value:
        document.places["training", "seed"] = document.place(("seed",))
        document.spelled["training", "seed"] = document.name(("seed",))
        given = replace(given, seed=value["seed"]) if isinstance(given, Training) else given
        given = {**given, "seed": value["seed"]} if isinstance(given, dict) else given
    return build(Training, given, document, ("training",), remedy)


def _auto(document: Document) -> Auto | None:
    """What stands in place of a list of strategies."""
    entries = document.value["strategies"]
    for name in entries.keys() - {AUTO}:
        document.refuse(("strategies", name), f"auto chooses the strategies, so '{name}' is not read", "Take one of the two out")
    auto = build(Auto, entries[AUTO], document, ("strategies", AUTO))
    if auto is not None:
        auto.given = given_in(document.value.get("training"))
    return auto
