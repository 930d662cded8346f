"""Every key of a recipe changes the run or is refused: a setting that does nothing is a trap. Keys are found, not listed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any

import pytest

import tiny
from tunesmith.core.errors import InputError
from tunesmith.data.settings import DataSettings
from tunesmith.engine.events import read_events
from tunesmith.engine.settings import Training
from tunesmith.model.save import digest
from tunesmith.recipes.find import find, names
from tunesmith.recipes.recipe import _Written
from tunesmith.recipes.validate import as_plain
from tunesmith.run import train

TASK = "text_classification"
GOOD = ["a good film", "the best story of a very good man and a cat in paris", "wonderful", "i loved the music very well"]
BAD = ["a bad film", "the worst plot of a very poor man and a dog in paris", "dull", "i hated the music very long"]
ROWS = [
    {"text": f"{text} {number}", "other": f"{number} {text[::-1]}", "label": label}
    for number in range(3)
    for label, texts in (("good", GOOD), ("bad", BAD))
    for text in texts
]
BASE: dict[str, Any] = {
    "task": {TASK: {}},
    "data": {"train": ROWS},
    "training": {"epochs": 2, "batch_size": 8, "learning_rate": 0.005},
    "strategies": [],
    "baselines": False,
}
CONTAINERS = {"task", "data", "training", "strategies"}  # their own keys are tried one by one


def labelled(*labels: Any) -> dict[str, Any]:
    return {"data": {"train": [{**row, "label": labels[number % len(labels)]} for number, row in enumerate(ROWS)]}}


# key -> another value, where none follows from the type and the range of the one it has
VALUES: dict[str, Any] = {
    "model": "OTHER MODEL",
    "name": "another",
    "seed": 5,
    "base_folder": "OTHER FOLDER",
    "data.train": ROWS[1:],
    "data.validation": "40%",
    "data.test": "20%",
    "data.columns": {"text": "other"},
    "data.labels": {"good": "fine"},
    "data.max_rows": 9,
    "task.labels": ["good", "bad"],
    "task.separator": ";",
    "task.pairs": False,
    "task.class_weights": {"bad": 3.0},
    "task.max_length": 8,
    "task.metric": "f1_macro",
    "training.steps": 4,
    "training.micro_batch": 3,
    "training.epsilon": 1e-3,
    "training.warmup": "50%",
    "training.cooldown": "60%",
    "training.evaluate_every": "2st",
    "training.save_every": "2st",
    "training.log_every": 2,
    "strategies.dropout.attention": 0.0,
    "strategies.clip.value": 1e-4,
    "strategies.freeze.fraction": 0.4,
    "strategies.freeze.patterns": ["query"],
    "strategies.freeze.embeddings": False,
    "strategies.layer_rates.groups": [0.2, 1.0],
    "strategies.lora.targets": "attention",
    "strategies.unfreeze.every": "1st",
    "strategies.early_stop.minimum_gain": 9.0,
}
# key -> what else the recipe needs, so that the key can matter
CONTEXTS: dict[str, dict[str, Any]] = {
    "base_folder": {"data": {"train": "rows.jsonl"}},
    "data.on_bad_row": {"data": {"train": [*ROWS, {**ROWS[0], "text": ""}]}},
    "task.kind": labelled("0", "1"),
    "task.separator": labelled("a|b;c", "c"),
    "task.pairs": {"data": {"train": [{**row, "text_pair": row["other"]} for row in ROWS]}},
    "task.threshold": labelled(["a"], ["b"], ["a", "b"]),
    "training.keep": {"training": {"save_every": "1st"}},
    "training.patience": {"training": {"evaluate_every": "1st"}},
    "training.factor": {"training": {"evaluate_every": "1st"}},
    "strategies.early_stop.patience": {"training": {"evaluate_every": "1st"}},
    "strategies.early_stop.minimum_gain": {"training": {"evaluate_every": "1st"}, "task": {TASK: {"metric": "log_loss"}}},
}
# choices that are the default under another name: what auto finds here
SAME = [("task.kind", "single"), ("training.precision", "float32"), ("training.precision", "bfloat16")]
# what this data or this machine cannot do, and so is refused
REFUSED = [("task.kind", "multi"), ("training.precision", "float16")]


@dataclass(frozen=True)
class Key:
    """A key of a recipe, the value it has in ``recipe``, and others that must not lead to the same run."""

    name: str
    recipe: Mapping[str, Any]
    others: tuple[Any, ...]

    def changed(self, value: Any) -> dict[str, Any]:
        return merged(self.recipe, nested(self.name, value))


def keys() -> Iterator[Key]:
    for field in fields(_Written):
        if field.name not in CONTAINERS:
            yield key(field.name, field, {}, BASE)
    for part, kind in (("data", DataSettings), ("task", find("tasks", TASK)), ("training", Training)):
        for field in fields(kind):
            yield key(f"{part}.{field.name}", field, getattr(kind, "applies", {}), BASE.get(part, {}))
    for name in names("strategies"):
        kind = find("strategies", name)
        for field in fields(kind):
            yield key(f"strategies.{name}.{field.name}", field, getattr(kind, "applies", {}), as_plain(kind.example(), changed_only=True))


def key(name: str, field: Field[Any], applies: Mapping[str, tuple[str, tuple[Any, ...]]], given: Mapping[str, Any]) -> Key:
    """A key with a recipe in which it is read; ``given`` are the settings beside it, of which those go that exclude it."""
    home = name.rpartition(".")[0]
    other, read = applies.get(field.name, ("", ()))
    excluded = {other, *(left for left, (right, _) in applies.items() if right == field.name and name in VALUES)}
    recipe = {part: value for part, value in BASE.items() if part != home}
    for left, value in given.items() if home else ():
        recipe = merged(recipe, nested(f"{home}.{left}", value) if left not in excluded else {})
    if home.startswith("strategies."):
        recipe = merged(recipe, {"strategies": [{home.partition(".")[2]: {}}]})
    if other and not any(default == value for default in defaults_of(home, other) for value in read):
        recipe = merged(recipe, nested(f"{home}.{other}", read[-1]))
    recipe = merged(recipe, CONTEXTS.get(name, {}))
    value = given.get(field.name, None if field.default is MISSING else field.default)
    others = [VALUES[name]] if name in VALUES else list(differing(field, value))
    return Key(name, recipe, tuple(found for found in others if (name, found) not in SAME))


def differing(field: Field[Any], value: Any) -> Iterator[Any]:
    """Other values that a setting may have, by its type, range and choices: every choice, one number, the other truth value."""
    low, high, above, choices = (field.metadata.get(limit) for limit in ("low", "high", "above", "choices"))
    if choices:
        yield from (choice for choice in choices if choice != value)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        least = low if low is not None else above if above is not None else value - 2
        most = high if high is not None else max(value + 2, 2 * value)
        halves = ((least + value) / 2, (value + most) / 2)
        found = [type(value)(half) for half in halves if type(value)(half) not in (value, above)]
        yield from found[:1]


def default_of(kind: Any, name: str) -> Any:
    field = next(field for field in fields(kind) if field.name == name)
    return field.default_factory() if field.default_factory is not MISSING else field.default


def nested(name: str, value: Any) -> dict[str, Any]:
    """``training.steps`` and 3 as the part of a recipe that says so."""
    parts = name.split(".")
    if parts[0] == "strategies":
        return {"strategies": [{parts[1]: {parts[2]: value}}]}
    if parts[0] == "task":
        parts.insert(1, TASK)
    for part in reversed(parts):
        value = {part: value}
    return dict(value)


def merged(recipe: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe with the changed settings; those of a strategy are merged into its own."""
    found = dict(recipe)
    for name, value in change.items():
        old = found.get(name)
        if name == "strategies" and old:
            found[name] = [merged(old[0], value[0])]
        elif name == "data" and "train" in value:
            found[name] = {**(old or {}), **value}
        elif isinstance(value, Mapping) and isinstance(old, Mapping) and name not in ("columns", "labels", "class_weights"):
            found[name] = merged(old, value)
        else:
            found[name] = value
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models and two folders of data."""
    root = tmp_path_factory.mktemp("keys")
    found = {"MODEL": tiny.folder(root), "OTHER MODEL": tiny.folder(root / "other", num_hidden_layers=2)}
    for name, rows in (("FOLDER", ROWS), ("OTHER FOLDER", ROWS[2:])):
        found[name] = root / name
        found[name].mkdir()
        (found[name] / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return found


@pytest.fixture
def outcome(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``outcome(recipe)``: all that a run is, but for times; or why the recipe is refused."""
    numbers = itertools.count()

    def gathered(recipe: Any, fitted: Any, rows: Any, data: Any, proof: Any, folder: Path) -> Any:
        scores = {name: value for name, value in proof.scores.items() if name not in ("seconds", "tokens_per_second")}
        events = [{name: value for name, value in event.items() if name != "time"} for event in read_events(folder / "events.jsonl")]
        kept = sorted(path.name for path in (folder / "checkpoints").iterdir())
        return digest(fitted.model.module), recipe.task.head(), events, kept, scores, folder.name

    # What takes time and says nothing here: pages, flushing to the disk, versions of packages.
    monkeypatch.setattr("tunesmith.run.gather", gathered)
    monkeypatch.setattr("tunesmith.run.write", lambda *given: None)
    monkeypatch.setattr("tunesmith.report.folder.environment", dict)
    monkeypatch.setattr("os.fsync", lambda handle: None)

    def run(recipe: Mapping[str, Any]) -> Any:
        found = {"model": "MODEL", "base_folder": "FOLDER", **recipe}
        placed = {name: str(folders[found[name]]) for name in ("model", "base_folder")}
        try:
            return train({**found, **placed}, runs=tmp_path / str(next(numbers))).facts
        except InputError as error:
            return f"refused: {error}"

    return run


KEYS = list(keys())


@pytest.mark.parametrize("key", KEYS, ids=[key.name for key in KEYS])
def test_a_key_changes_the_run_or_is_refused(key: Key, outcome: Any) -> None:
    assert key.others, f"{key.name}: say in VALUES which other value to try"
    before = outcome(key.recipe)
    for value in key.others:
        after = outcome(key.changed(value))
        assert after != before, f"{key.name}: {value} does nothing"
        assert isinstance(after, str) == ((key.name, value) in REFUSED), after


def test_the_same_recipe_is_the_same_run(outcome: Any) -> None:
    """Else every key would seem to matter."""
    assert outcome(BASE) == outcome(BASE)
    assert not isinstance(outcome(BASE), str)


def test_a_key_that_does_nothing_is_caught(outcome: Any) -> None:
    """The precision that auto finds is no change."""
    found = {outcome(merged(BASE, nested("training.precision", value))) == outcome(BASE) for value in ("float32", "bfloat16")}
    assert found == {True, False}
