"""Every key of a recipe changes the run or is refused: a setting that does nothing is a trap. Keys are found, not listed.

A recipe is written flat here, ``{"training.epochs": 2}``, since it is put together from pieces.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

import tiny
from training import sampled
from tunesmith.core.errors import InputError
from tunesmith.data.settings import DataSettings
from tunesmith.engine.events import read_events
from tunesmith.engine.settings import Training
from tunesmith.model.save import digest
from tunesmith.recipes.find import find, names
from tunesmith.recipes.recipe import _Written
from tunesmith.recipes.validate import IN_MEMORY, as_plain
from tunesmith.run import train

Flat = Mapping[str, Any]

TASK = "text_classification"
GOOD = ["a good film", "the best story of a very good man and a cat in paris", "wonderful", "i loved the music very well"]
BAD = ["a bad film", "the worst plot of a very poor man and a dog in paris", "dull", "i hated the music very long"]
ROWS = [
    {"text": f"{text} {number}", "other": f"{number} {text[::-1]}", "label": label}
    for number in range(3)
    for label, texts in (("good", GOOD), ("bad", BAD))
    for text in texts
]


def labelled(*labels: Any) -> dict[str, Any]:
    return {"data.train": [{**row, "label": labels[number % len(labels)]} for number, row in enumerate(ROWS)]}


PARTS: dict[str, type[Any]] = {
    "": _Written,
    "data": DataSettings,
    "task": find("tasks", TASK),
    "training": Training,
    **{f"strategies.{name}": find("strategies", name) for name in names("strategies")},
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
OTHER_TEXTS = ["the best day of a man", "a poor story of the dog in paris", "hated it", "wonderful , new music"]

# key -> another value, where none follows from the type and the range of the one it has
VALUES: Flat = {
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
    "data.shots": 2,
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
    "strategies.adapter.scale": 0.5,
    "strategies.adaptive.gap": 0.0,
    "strategies.augment.operations": ["punctuate"],
    "strategies.auto_freeze.every": "2st",
    "strategies.auto_freeze.keep": 3,
    "strategies.chain_thaw.every": "2st",
    "strategies.consistency.threshold": 0.999,
    "strategies.curriculum.by": "label",
    "strategies.curriculum.until": "2st",
    "strategies.distil.teacher": "/nowhere",
    "strategies.dropout.embedding": 0.4,
    "strategies.dropout.head": 0.4,
    "strategies.importance_weighting.largest": 1.01,
    "strategies.peft.settings_of_peft": {"init_ia3_weights": False},
    "strategies.peft.targets": "attention",
    "strategies.pretrain_loss.max_length": 8,
    "strategies.pretrain_loss.texts": "TEXTS",
    "strategies.probe.until": "3st",
    "strategies.self_training.threshold": 0.9999,
    "strategies.surgical.probe": "3st",
    "strategies.swa.every": "2st",
    "strategies.swa.start": "1st",
    "strategies.consistency.operations": ["punctuate"],
    "strategies.consistency.unlabelled": OTHER_TEXTS,
    "strategies.coral.target": OTHER_TEXTS,
    "strategies.domain_adversarial.target": OTHER_TEXTS,
    "strategies.importance_weighting.target": OTHER_TEXTS,
    "strategies.mask_augment.model": "/nowhere",
    "strategies.mmd.target": OTHER_TEXTS,
    "strategies.self_training.unlabelled": OTHER_TEXTS,
    "strategies.self_training.every": "3st",
    "strategies.clip.value": 1e-4,
    "strategies.dropout.attention": 0.0,
    "strategies.early_stop.minimum_gain": 1e6,
    "strategies.ema.decay": 0.2,
    "strategies.freeze.fraction": 0.4,
    "strategies.freeze.patterns": ["query"],
    "strategies.freeze.embeddings": False,
    "strategies.ewc.num_rows": 1,
    "strategies.ewc.past": ROWS[:3],
    "strategies.gem.memory_rows": 1,
    "strategies.gem.past": ROWS[:3],
    "strategies.layer_rates.groups": [0.2, 1.0],
    "strategies.lora.targets": "attention",
    "strategies.replay.num_rows": 1,
    "strategies.replay.past": ROWS[:3],
    "strategies.si.every": "1st",
    "strategies.unfreeze.every": "1st",
}
# key -> what else the recipe needs, so that the key can matter
CONTEXTS: Mapping[str, Flat] = {
    "base_folder": {"data.train": "rows.jsonl"},
    "data.deduplicate": {"data.train": [*ROWS, *ROWS]},
    "data.on_bad_row": {"data.train": [*ROWS, {**ROWS[0], "text": ""}]},
    "task.kind": labelled("0", "1"),
    "task.separator": labelled("a|b;c", "c"),
    "task.pairs": {"data.train": [{**row, "text_pair": row["other"]} for row in ROWS]},
    "task.threshold": labelled(["a"], ["b"], ["a", "b"]),
    "training.keep": {"training.save_every": "1st"},
    "training.trunk": {"strategies.freeze": {}, "strategies.freeze.layers": 2},
    "training.patience": {"training.evaluate_every": "1st"},
    "training.factor": {"training.evaluate_every": "1st"},
    "strategies.adaptive.factor": {"strategies.adaptive.patience": 1, "training.evaluate_every": "1st"},
    "strategies.adaptive.falls": {"strategies.adaptive.patience": 1, "training.evaluate_every": "1st"},
    "strategies.adaptive.gap": {"training.evaluate_every": "1st"},
    "strategies.balance.power": {"data.train": ROWS[:20]},
    "strategies.class_balanced.beta": {"data.train": ROWS[:20]},
    "strategies.thaw.embeddings": {"strategies.thaw.start": 4},
    "strategies.pretrain_loss.max_length": {"strategies.pretrain_loss.texts": "TEXTS"},
    "strategies.early_stop.patience": {"training.evaluate_every": "1st"},
    "strategies.early_stop.minimum_gain": {**labelled(9.5, 10.5), "training.evaluate_every": "1st", "task.metric": "mse"},
    "strategies.replay.choose": {"strategies.replay.num_rows": 3, "strategies.replay.past": ROWS[3:]},
    "strategies.unfreeze.embeddings": {"strategies.unfreeze.every": "1st"},
}
BY_PARTS = ["task", "data", "training", "strategies", "stages", "sequence"]  # their own keys are tried
# what auto finds here, under its own name
SAME = [
    ("strategies.ewc.anchor", "latest"),
    ("strategies.ewc.decay", 0.5),
    ("strategies.gem.constraints", "each"),
    ("task.kind", "single"),
    ("training.precision", "float32"),
    ("training.precision", "bfloat16"),
]
# what these rows, or a processor, cannot do, so that the run is refused, as it is for a row that is bad
REFUSED = [
    ("task.kind", "multi"),
    ("training.precision", "float16"),
    ("strategies.mask_augment.model", "/nowhere"),
    ("strategies.distil.teacher", "/nowhere"),
]


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
