"""Every key of a recipe changes the run or is refused: a setting that does nothing is a trap. Keys are found, not listed.

A recipe is written flat here, ``{"training.epochs": 2}``, since it is put together from pieces.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

import tiny
from contract.key_values import CONTEXTS, REFUSED, ROWS, SAME, VALUES, Flat
from training import fitting, sampled
from tunesmith.core.errors import InputError
from tunesmith.data.settings import DataSettings
from tunesmith.engine.events import read_events
from tunesmith.engine.settings import Training
from tunesmith.model.save import digest
from tunesmith.recipes.find import find, names
from tunesmith.recipes.recipe import _Written
from tunesmith.recipes.validate import IN_MEMORY, as_plain
from tunesmith.run import train

TASK = "text_classification"

PARTS: dict[str, type[Any]] = {
    "": _Written,
    "data": DataSettings,
    "task": find("tasks", TASK),
    "training": Training,
    **{f"strategies.{name}": kind for name in names("strategies") if not fitting([kind := find("strategies", name)])},
}
BASE: Flat = {
    "model": "MODEL",
    "base_folder": "FOLDER",
    "baselines": False,
    "data.train": ROWS,
    "training.epochs": 2,
    "training.batch_size": 8,
    "training.learning_rate": 0.005,
}
BY_PARTS = [
    *("task", "data", "training", "strategies", "stages", "sequence", "tasks", "mixing", "single_task", "routing", "search", "ensemble")
]  # their own keys are tried


@dataclass(frozen=True)
class Key:
    """A key, a recipe in which it is read, and the other values that it is given."""

    name: str
    recipe: Flat
    others: list[Any]


def keys() -> Iterator[Key]:
    for home, kind in PARTS.items():
        for field in fields(kind):
            name = f"{home}.{field.name}".removeprefix(".")
            if name not in BY_PARTS:
                recipe = surroundings(home, kind, field.name) | CONTEXTS.get(name, {})
                value = recipe.get(name, None if field.default is MISSING else field.default)
                others = [VALUES[name]] if name in VALUES else list(differing(field, value))
                yield Key(name, recipe, [other for other in others if (name, other) not in SAME])


def surroundings(home: str, kind: type[Any], name: str) -> dict[str, Any]:
    """The base recipe, with the example of a strategy, and with what ``name`` must have beside it to be read."""
    recipe = dict(BASE)
    if home.startswith("strategies."):
        example = kind.example()
        for setting, value in as_plain(example, changed_only=True).items():
            recipe |= {home: {}, f"{home}.{setting}": getattr(example, setting) if str(value).endswith(IN_MEMORY) else value}
        recipe.setdefault(home, {})
    if name in (applies := getattr(kind, "applies", {})):
        other, read = applies[name]
        default = next(field.default for field in fields(kind) if field.name == other)
        recipe.pop(f"{home}.{other}", None)
        recipe |= {} if default in (*read, MISSING) else {f"{home}.{other}": read[-1]}
    return recipe


def changed(key: Key, value: Any) -> dict[str, Any]:
    """The recipe with another value of the key, and without the settings that are not read beside it."""
    home, _, name = key.name.rpartition(".")
    unread = [left for left, (other, read) in getattr(PARTS[home], "applies", {}).items() if other == name and value not in read]
    return {left: kept for left, kept in key.recipe.items() if left not in [f"{home}.{gone}" for gone in unread]} | {key.name: value}


def differing(field: Field[Any], value: Any) -> Iterator[Any]:
    """Other values that a setting may have: every other choice, the other truth value, or one number of its range."""
    low, high, above, choices = (field.metadata.get(limit) for limit in ("low", "high", "above", "choices"))
    if choices:
        yield from (choice for choice in choices if choice != value)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        least = next(limit for limit in (low, above, value) if limit is not None)
        most = 2 * value + 2 if high is None else high
        halfway = (type(value)((end + value) / 2) for end in (least, most))
        yield next(number for number in halfway if number not in (value, above))


def written(flat: Flat) -> dict[str, Any]:
    """A recipe as people write it."""
    recipe: dict[str, Any] = {"task": {TASK: {}}, "strategies": []}
    for key, value in flat.items():
        home, _, name = key.rpartition(".")
        if home == "task":
            recipe["task"][TASK][name] = value
        elif home == "strategies":
            recipe["strategies"].append({name: {}})
        elif home.startswith("strategies."):
            recipe["strategies"][-1][home.partition(".")[2]][name] = value
        elif home:
            recipe.setdefault(home, {})[name] = value
        else:
            recipe[name] = value
    return recipe


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models, and two folders of data with a file in each."""
    root = tmp_path_factory.mktemp("keys")
    found = {"MODEL": tiny.folder(root), "OTHER MODEL": tiny.folder(root / "other", num_hidden_layers=2)}
    for name, rows in (("FOLDER", ROWS), ("OTHER FOLDER", ROWS[2:])):
        found[name] = root / name
        found[name].mkdir()
        (found[name] / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found |= dict.fromkeys(("Helsinki-NLP/opus-mt-en-de", "Helsinki-NLP/opus-mt-de-en", "sample:smollm2"), tiny.writer(root))  # of examples
    found["TEXTS"] = found["OTHER FOLDER"] / "rows.jsonl"
    return found


def traces(recipe: Any, fitted: Any, rows: Any, data: Any, proof: Any, folder: Path) -> Any:
    """All that a run leaves, but for times."""
    scores = {name: value for name, value in proof.scores.items() if name not in ("seconds", "tokens_per_second")}
    events = [{name: value for name, value in event.items() if name != "time"} for event in read_events(folder / "events.jsonl")]
    kept = sorted(path.name for path in (folder / "checkpoints").iterdir())
    return folder.name, kept, digest(fitted.model.module), recipe.task.head(), scores, events


SEEN: dict[str, Any] = {}  # recipes that were run already: most keys share one


@pytest.fixture
def outcome(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Flat], Any]:
    """``outcome(recipe)``: the traces of a run, or why it is refused."""
    # What takes time and says nothing here: pages, versions of packages, waiting for the disk.
    monkeypatch.setattr("tunesmith.run.gather", traces)
    monkeypatch.setattr("tunesmith.run.write", lambda *given: None)
    monkeypatch.setattr("tunesmith.report.folder.environment", dict)
    monkeypatch.setattr("os.fsync", lambda handle: None)

    def run(recipe: Flat) -> Any:
        placed = {name: str(folders[value]) for name, value in recipe.items() if isinstance(value, str) and value in folders}
        try:
            return train(written({**recipe, **placed}), runs=tmp_path / str(len(list(tmp_path.iterdir())))).facts
        except InputError as error:
            return f"refused: {error}"

    return run


KEYS = list(keys())
SAMPLE = 16  # keys of strategies in the quick run; which ones changes with the commit


def quick() -> list[Key]:
    """The keys that every recipe has, and some of those of strategies."""
    of_strategies = [key for key in KEYS if key.name.startswith("strategies.")]
    return [key for key in KEYS if key not in of_strategies] + sampled(of_strategies, SAMPLE)


@pytest.mark.parametrize("key", quick(), ids=attrgetter("name"))
def test_a_key_changes_the_run_or_is_refused(key: Key, outcome: Callable[[Flat], Any]) -> None:
    check_key(key, outcome)


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS, ids=attrgetter("name"))
def test_every_key_changes_the_run_or_is_refused(key: Key, outcome: Callable[[Flat], Any]) -> None:
    check_key(key, outcome)


def check_key(key: Key, outcome: Callable[[Flat], Any]) -> None:
    assert key.others or key.name in dict(SAME), f"{key.name}: say in VALUES which other value to try"
    asked = json.dumps(key.recipe)
    before = SEEN[asked] = SEEN[asked] if asked in SEEN else outcome(key.recipe)
    for value in key.others:
        after = outcome(changed(key, value))
        assert after != before, f"{key.name}: {value} does nothing"
        assert isinstance(after, str) == ((key.name, value) in REFUSED), after


def test_a_key_that_does_nothing_would_be_caught(outcome: Callable[[Flat], Any]) -> None:
    """Two equal runs leave equal traces, and so does one with the setting that auto would find."""
    runs = [outcome({**BASE, **change}) for change in ({}, {}, {"task.kind": "single"}, {"seed": 1})]
    assert not isinstance(runs[0], str)
    assert runs[0] == runs[1] == runs[2] != runs[3]


def test_number_formats_differ(outcome: Callable[[Flat], Any]) -> None:
    """One of them is what auto finds, on whichever machine."""
    precise, coarse = (outcome({**BASE, "training.precision": value}) for value in ("float32", "bfloat16"))
    assert precise != coarse
    assert outcome(BASE) in (precise, coarse)


def test_tables_name_keys_that_there_are() -> None:
    assert {*VALUES, *CONTEXTS, *(name for name, _ in SAME + REFUSED)} <= {key.name for key in KEYS}
