"""Preference: what is compared with the model before tuning, how answers are judged, and that they are learned."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import tiny
from training import TRAINING
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.observer import Observer
from tunesmith.core.task import Row, RowError
from tunesmith.data.encode import Encoded
from tunesmith.engine.loop import fit
from tunesmith.evaluate.score import predict
from tunesmith.model.build import Model, build_for
from tunesmith.strategies.lora import LoRA
from tunesmith.tasks.preference import Preference

ROWS = [
    {"prompt": "is the film good ?", "chosen": "yes , very good", "rejected": "no"},
    {"prompt": "and the music ?", "chosen": "sad", "rejected": "it was loved"},
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.folder(tmp_path_factory.mktemp("models"), "llama")


def met(task: Preference, source: Path) -> Model:
    torch.manual_seed(0)
    return build_for(task, str(source))


def features(task: Preference, model: Model, *rows: Row) -> Encoded:
    return Encoded([task.encode([task.read(row) for row in rows], model.tokenizer)])


def likelihoods(module: torch.nn.Module, tokenizer: Any, row: Row) -> list[float]:
    """log P of both answers behind the question, by the chat template of transformers and a pass for each."""
    found = []
    for role in ("chosen", "rejected"):
        said = [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row[role]}]
        ids = tokenizer.apply_chat_template(said, return_assistant_tokens_mask=True, return_dict=True, return_tensors="pt")
        learned = ids["assistant_masks"][0, 1:].bool()
        each = module(ids["input_ids"]).logits[0, :-1].log_softmax(-1).gather(1, ids["input_ids"][0, 1:, None])[:, 0]
        found.append(float(each[learned].sum()))
    return found


def begun(task: Preference, model: Model, encoded: Encoded) -> None:
    forward = Forward(model.module)
    told = {"train": encoded, "tokenizer": model.tokenizer, "device": forward.device, "say": lambda message: None}
    task.begin(SimpleNamespace(model=model.module, forward=forward, **told))  # type: ignore[arg-type]


def test_the_loss_is_that_of_trl_on_a_model_that_moved_away_from_its_base(source: Path) -> None:
    task = Preference(beta=0.3)
    model = met(task, source)
    encoded = features(task, model, *ROWS)
    begun(task, model, encoded)
    base = copy.deepcopy(model.module).eval()
    with torch.no_grad():
        for weight in model.module.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    batch = task.collate([encoded[0], encoded[1]], model.tokenizer)
    with torch.no_grad():
        loss = task.objective(batch, Forward(model.module.eval()))
        expected = 0.0
        for row in ROWS:
            (chosen, rejected), (before, other) = (likelihoods(m, model.tokenizer, row) for m in (model.module, base))
            expected += math.log(1 + math.exp(-0.3 * ((chosen - rejected) - (before - other))))
    assert float(loss.sum) == pytest.approx(expected, rel=1e-4)
    assert loss.count == 2
    assert abs(expected - 2 * math.log(2)) > 1e-2, "the model moved"


def test_where_training_begins_nothing_is_gained_yet(source: Path) -> None:
    task = Preference()
    model = met(task, source)
    encoded = features(task, model, *ROWS)
    begun(task, model, encoded)
    with torch.no_grad():
        loss = task.objective(task.collate([encoded[0], encoded[1]], model.tokenizer), Forward(model.module.eval()))
    assert float(loss.mean) == pytest.approx(math.log(2), rel=1e-5)
    strange = features(task, model, {**ROWS[0], "rejected": "bad"})
    with pytest.raises(InputError, match="dpo compares pairs with what the base said of them"):
        task.objective(task.collate([strange[0]], model.tokenizer), Forward(model.module))


class Lines(Observer):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


@pytest.mark.parametrize("loss", ["dpo", "ipo", "orpo", "simpo"])
def test_what_was_chosen_becomes_likelier(source: Path, loss: str) -> None:
    task, raw = Preference.example()
    task = replace(task, loss=loss)
    task.learn(raw)
    model = met(task, source)
    encoded, truths, watch = features(task, model, *raw), [task.read(row) for row in raw], Lines()
    base = predict(Forward(model.module.eval()), encoded, task, model.tokenizer)
    strategies = [LoRA(rank=4)] if loss == "dpo" else []  # the base is the model with the adapter that has learned nothing yet
    fitted = fit(model, task, encoded, strategies, replace(TRAINING, steps=30), None, [watch])
    tuned = predict(Forward(fitted.model.module.eval()), encoded, task, model.tokenizer)
    before, after = (task.metrics(task.beside(found, base), truths) for found in (base, tuned))
    assert after["margin"] > before["margin"]
    assert any("before tuning" in line for line in watch.lines) is (loss in ("dpo", "ipo"))
    if loss in ("dpo", "ipo"):
        assert (before["reward_accuracy"], before["reward_margin"]) == (0.5, 0.0)
        assert after["reward_accuracy"] > 0.5
    else:
        assert "reward_accuracy" not in after


def test_answers_are_judged_and_some_are_written(source: Path) -> None:
    task = Preference(written=1, max_new_tokens=3)
    model = met(task, source)
    found = predict(Forward(model.module.eval()), features(task, model, *ROWS), task, model.tokenizer)
    truths = [task.read(row) for row in ROWS]
    with torch.no_grad():
        for prediction, row in zip(found, ROWS, strict=True):
            assert [prediction["chosen"], prediction["rejected"]] == pytest.approx(
                likelihoods(model.module, model.tokenizer, row), rel=1e-4
            )
    assert [("text" in prediction) for prediction in found] == [True, False]
    assert task.correct([{"chosen": -1.0, "rejected": -2.0}, {"chosen": -3.0, "rejected": -2.0}], truths) == [1.0, 0.0]
    shown = task.shown(truths[0], {"chosen": -3.0, "rejected": -2.0})
    assert (shown["text"], shown["predicted"], shown["truth"]) == ("is the film good ?", "no", "yes , very good")
    [asked] = predict(Forward(model.module), features(task, model, {"prompt": "is the film good ?"}), task, model.tokenizer)
    assert asked["text"] == found[0]["text"]


def test_longer_answers_are_a_baseline() -> None:
    task = Preference()
    truths = [task.read(row) for row in ROWS]
    assert task.correct(task.baselines([], truths)["longer_answer"], truths) == [1.0, 0.0]


def test_rows_must_have_answers_to_learn_from() -> None:
    task = Preference()
    with pytest.raises(RowError, match="no answers to compare"):
        task.teaches(task.read({"prompt": "is the film good ?"}))
    assert task.learn(ROWS) == ["pairs of answers to prompt; learned: dpo, beta 0.1"]
    assert Preference(loss="simpo").learn(ROWS) == ["pairs of answers to prompt; learned: simpo, beta 2"]


def test_a_model_that_reads_cannot_learn_to_answer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bert models read texts"):
        met(Preference(), tiny.folder(tmp_path))
