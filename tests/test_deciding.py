"""``strategies: auto`` on real data and models: the situation is what it is, every composition trains, and a resume decides the same."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import tiny
import tunesmith
from runs import Interruption, rows, same
from training import TRAINING, sampled
from tunesmith.core.errors import InputError, InterruptedRunError
from tunesmith.core.observer import Observer
from tunesmith.core.strategy import Strategy
from tunesmith.data.encode import Encoded
from tunesmith.data.load import load
from tunesmith.deciding import advice_for, around, compares_means, kind_of, lengths, settled, work_of
from tunesmith.engine.events import read_events
from tunesmith.engine.loop import fit
from tunesmith.engine.stack import Stack
from tunesmith.model.build import build_for
from tunesmith.recipes.advise import Situation, advise
from tunesmith.recipes.find import find, names
from tunesmith.recipes.recipe import Recipe, recipe_from
from tunesmith.studies.whole import check, explain

FAMILY = {
    "AutoModelForCausalLM": "llama",
    "AutoModelForSeq2SeqLM": "bart",
    "AutoModelForImageClassification": "vit",
    "AutoModelForZeroShotImageClassification": "clip",
    "AutoModelForSpeechSeq2Seq": "whisper",
    "AutoModelForAudioClassification": "whisper",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.folder(tmp_path_factory.mktemp("models")))


def auto(model: str, **keys: Any) -> Recipe:
    data = {"train": rows(60), "validation": rows(24)}
    return recipe_from({"model": model, "task": "text_classification", "data": data, "strategies": "auto", "baselines": False, **keys})


def compositions(situation: Situation) -> list[list[dict[str, Any]]]:
    """All that the rules can compose for a task and a model."""
    found = {}
    shots = (8.0, math.inf) if situation.task == "text_classification" else (math.inf,)
    for parameters, number, imbalance, dropout in itertools.product((2e7, 5e9), (50, 500, 20_000), (0, 30), (True, False)):
        for few, tight_memory, tight_time in itertools.product(shots, range(5), range(4)):
            here = replace(situation, parameters=int(parameters), rows=number, imbalance=imbalance, dropout=dropout, shots=few)
            advice = advise(replace(here, tight_memory=tight_memory, tight_time=tight_time))
            found[json.dumps(advice.strategies)] = advice.strategies
    return list(found.values())


@dataclass
class Told:
    """As much of the data as the situation is told by: rows without columns."""

    train: Any
    validation: None = None


class Untold(list[Any]):
    """Rows whose columns nobody knows."""

    rows = SimpleNamespace(columns=[])


@dataclass
class Bench:
    """A task that has learned from its example, and what its tiny model can get of the rules."""

    name: str
    folder: Path

    def __post_init__(self) -> None:
        self.task, raw = find("tasks", self.name).example()
        self.task.learn(raw)
        self.examples = [self.task.read(row) for row in raw]
        self.spec = str(tiny.folder(self.folder, FAMILY.get(self.task.head().auto, "bert")))
        self.kind = kind_of(build_for(self.task, self.spec).module)
        self.situation = around(self.task, Told(Untold(self.examples)), self.kind)  # type: ignore[arg-type]
        self.parts = [
            recipe_from({"model": "m", "task": self.task, "data": {"train": "x"}, "strategies": written}).strategies
            for written in compositions(self.situation)
        ]

    def fit(self, strategies: list[Strategy]) -> None:
        torch.manual_seed(0)
        model = build_for(self.task, self.spec)
        encoded = Encoded([self.task.encode(self.examples, model.tokenizer)])
        fit(model, self.task, encoded, strategies, replace(TRAINING, steps=1, save_every=None), None, [])


@pytest.mark.parametrize("name", names("tasks"))
def test_every_composition_is_accepted(name: str, tmp_path: Path) -> None:
    bench = Bench(name, tmp_path)
    assert (bench.situation.task, bench.situation.model, bench.situation.logits) == (name, bench.kind, "logits" in bench.task.offers)
    assert len(bench.parts) > 2
    for strategies in bench.parts:
        assert Stack(strategies, bench.task).strategies == strategies
    for strategies in sampled(bench.parts, 1):
        bench.fit(strategies)


@pytest.mark.slow
@pytest.mark.parametrize("name", names("tasks"))
def test_every_composition_trains(name: str, tmp_path: Path) -> None:
    bench = Bench(name, tmp_path)
    for strategies in bench.parts:
        bench.fit(strategies)


@pytest.mark.parametrize(("family", "kind"), [("bert", "encoder"), ("gpt2", "decoder"), ("llama", "decoder"), ("bart", "encoder_decoder")])
def test_the_kind_of_a_model(family: str, kind: str) -> None:
    assert kind_of(tiny.base(family)) == kind


def test_the_situation_is_what_it_is(model: str) -> None:
    recipe = auto(model, data={"train": [*rows(60), *({"text": f"a film {i}", "label": "odd"} for i in range(3))], "validation": rows(24)})
    data = load(recipe.data, recipe.task, 0)
    built = build_for(recipe.task, model)
    found = advice_for(recipe, data, built).situation
    assert (found.rows, found.validation, found.imbalance, found.head, found.reads) == (63, 24, 10.0, True, "text")
    assert found.parameters == sum(p.numel() for p in built.module.parameters())
    mean, longest = lengths(recipe.task, data, built)
    assert 5 < mean <= longest < 12
    work = work_of(recipe, data, built, (mean, longest))
    assert (work.layers, work.rows, work.judged, work.vocabulary) == (3, 63, 24, 0)
    assert 0 < work.inner < work.parameters
    weighted = auto(model, task={"text_classification": {"class_weights": "balanced"}})
    assert around(weighted.task, load(weighted.data, weighted.task, 0), "encoder").imbalance == 0


def test_few_rows_of_a_class_are_told_for_an_encoder_of_sentences(model: str, tmp_path: Path) -> None:
    recipe = auto(model)
    data = load(recipe.data, recipe.task, 0)
    found = around(recipe.task, data, "encoder", sentences=True)
    assert (found.sentences, found.shots, found.classes) == (True, 30, 2)
    assert not around(recipe.task, data, "encoder").sentences
    assert around(recipe.task, data, "encoder").shots == around(recipe.task, data, "decoder", sentences=True).shots == math.inf
    numbers = recipe_from({"model": model, "task": {"text_classification": {"kind": "regression"}}, "data": {"train": "x"}})
    assert (around(numbers.task, data, "encoder", sentences=True).shots, around(recipe.task, data, "decoder").classes) == (math.inf, 0)
    shutil.copytree(model, tmp_path / "sentences")
    (tmp_path / "sentences" / "modules.json").write_text("[]")
    said: list[str] = []
    made = settled(recipe, data, build_for(recipe.task, str(tmp_path / "sentences")), said.append)
    assert [type(part).__name__ for part in (*made.strategies, *made.watch)] == ["Clip", "FewShot"]
    assert (made.training.epochs, made.training.ship) == (20, "last")
    assert any(line.startswith("auto: few rows: few_shot (shots 30 < 100") for line in said)


@pytest.mark.parametrize(("modes", "means"), [({}, True), ({"cls_token": True}, False), ({"max_tokens": True}, False)])
def test_whether_a_model_compares_means(model: str, tmp_path: Path, modes: dict[str, bool], means: bool) -> None:
    recipe = auto(model)
    load(recipe.data, recipe.task, 0)  # of which the task learns its labels
    task = recipe.task
    assert not compares_means(build_for(task, model)), "it compares no sentences"
    folder = tmp_path / "sentences"
    shutil.copytree(model, folder)
    (folder / "modules.json").write_text("[]")
    (folder / "1_Pooling").mkdir()
    told = {f"pooling_mode_{mode}": on for mode, on in (modes or {"mean_tokens": True}).items()}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(told))
    assert compares_means(build_for(task, str(folder))) is means


def test_what_is_decided_is_said_and_what_is_given_is_kept(model: str) -> None:
    said: list[str] = []
    recipe = auto(model, training={"epochs": 2, "batch_size": 8})
    data = load(recipe.data, recipe.task, 0)
    made = settled(recipe, data, build_for(recipe.task, model), said.append)
    assert made.auto is None
    assert [type(part).__name__ for part in (*made.strategies, *made.watch)] == ["Clip", "RDrop"]
    assert (made.training.epochs, made.training.batch_size, made.training.learning_rate) == (2, 8, 1e-4)
    assert any(line.startswith("auto: few rows: r_drop strength 1.0 (rows ") for line in said)
    assert settled(made, data, build_for(recipe.task, model), said.append) is made


def test_a_limit_of_memory(model: str) -> None:
    recipe = auto(model, strategies={"auto": {"memory": "1MB"}})
    made = settled(recipe, load(recipe.data, recipe.task, 0), build_for(recipe.task, model), lambda line: None)
    assert [type(part).__name__ for part in made.strategies] == ["Clip", "Probe"]
    assert made.training.micro_batch == 2


def test_a_run_decides_once_and_a_resumed_one_the_same(model: str, tmp_path: Path) -> None:
    table = tmp_path / "reviews.jsonl"
    table.write_text("\n".join(map(json.dumps, rows(60))))
    keys = {"data": {"train": str(table)}, "training": {"epochs": 1, "batch_size": 8, "precision": "float32", "save_every": "2st"}}
    through = tunesmith.train(auto(model, **keys), run="through", runs=tmp_path)
    with pytest.raises(InterruptedRunError):
        tunesmith.train(auto(model, **keys), run="stopped", runs=tmp_path, watch=[Interruption()])
    stopped = tmp_path / "stopped"
    assert "strategies: auto\n" in (stopped / "recipe.yaml").read_text()
    resumed = tunesmith.resume(stopped)
    assert same(through, resumed)
    recipes = [(report.folder / "recipe.resolved.yaml").read_text().partition("\n")[2] for report in (through, resumed)]
    assert recipes[0] == recipes[1]
    assert "r_drop" in recipes[0]
    events = [
        [event["text"] for event in read_events(report.folder / "events.jsonl") if event["event"] == "say"] for report in (through, resumed)
    ]
    assert [line for line in events[0] if line.startswith("auto: ")] == [line for line in events[1] if line.startswith("auto: ")]
    assert len([line for line in events[0] if line.startswith("auto: ")]) >= 4
    again = tunesmith.train(through.folder / "recipe.resolved.yaml", run="again", runs=tmp_path)
    assert same(through, again)


def test_check_and_explain_show_it(model: str) -> None:
    recipe = auto(model, training={"epochs": 1})
    for look in (check, explain):
        ((_, found),) = look(tunesmith.run.recipe_of(recipe, {}), lambda line: None).items()  # type: ignore[operator]
        assert any(line.startswith("auto: rate: training.learning_rate 0.0001") for line in found.decided)
    assert explain(recipe, print)[recipe.name].seams["loss"] == ["r_drop"]


def test_stages_decide_each_for_itself(model: str, tmp_path: Path) -> None:
    stages = [{"name": "one", "data": {"train": rows(24)}}, {"name": "two", "strategies": ["ema"], "data": {"train": rows(40)}}]
    training = {"epochs": 1, "batch_size": 8, "precision": "float32"}
    report = tunesmith.train(auto(model, stages=stages, data={"test": "30%"}, training=training), run="staged", runs=tmp_path)
    found = tunesmith.read_recipe(report.folder / "recipe.resolved.yaml")
    assert [[type(part).__name__ for part in stage.strategies] for stage in found.stages] == [["Clip", "RDrop"], ["EMA"]]
    assert [stage.auto for stage in found.stages] == [None, None]


def test_no_rule_needs_the_users_code() -> None:
    assert all(issubclass(find("strategies", name), Strategy | Observer) for name in names("strategies"))


def test_an_observer_that_does_not_fit_the_task_is_told_before_training(model: str, tmp_path: Path) -> None:
    tags = [{"text": f"the man in paris {number}", "tags": "O O O B-PLACE O"} for number in range(12)]
    keys = {"model": model, "task": "token_classification", "data": {"train": tags}, "strategies": ["dataset_map"]}
    with pytest.raises(InputError, match=r"^strategies\.0\.dataset_map: 'dataset_map' needs logits of whole rows, which task 'token_class"):
        tunesmith.train(keys, run="tags", runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
