"""What a run ships, says and takes from Python: strategies of the user's own, the weights that are kept, honest remarks."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import tunesmith
from runs import Train, predictions, same, weights
from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.observer import Observer
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.engine import optimizer
from tunesmith.engine.optimizer import build
from tunesmith.proof import Proof, prove


@dataclass
class Louder(Strategy):
    """Multiplies the loss: a strategy that a user wrote."""

    factor: float = setting(2.0, "what the loss is multiplied with", above=0)

    def begin(self, run: Run) -> None:
        self.calls = 0

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        self.calls += 1
        loss = inner(batch)
        return replace(loss, sum=loss.sum * self.factor)


def test_a_strategy_of_the_users_own(train: Train) -> None:
    plain = train("plain", training={"optimizer": "sgd", "learning_rate": 0.1})
    louder = train("louder", strategies=[Louder(3.0)], training={"optimizer": "sgd", "learning_rate": 0.1})
    assert not same(plain, louder)
    assert louder.facts.command == ""
    texts = [row["text"] for row in predictions(louder)]
    assert [p["label"] for p in tunesmith.load(louder.folder).predict(texts)] == [row["predicted"] for row in predictions(louder)]


def test_a_loaded_run_predicts_what_was_judged(train: Train) -> None:
    report = train("judged")
    judged = predictions(report)
    again = tunesmith.load(report.folder).predict([row["text"] for row in judged])
    assert [one["label"] for one in again] == [row["predicted"] for row in judged]
    assert [max(one["probabilities"].values()) for one in again] == [row["confidence"] for row in judged]
    assert [row["row"] for row in judged] == list(range(len(judged)))
    assert [row["correct"] for row in judged] == [float(row["predicted"] == row["truth"]) for row in judged]
    assert sum(row["base_correct"] for row in judged) / len(judged) == pytest.approx(report.scores["base"]["accuracy"])


@dataclass
class Shaken(Strategy):
    """Ruins the weights at the last step, so that the best evaluation lies before it."""

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        inner()
        if run.clock.step == run.clock.total - 1:
            with torch.no_grad():
                for weight in run.model.parameters():
                    weight.mul_(-1)


@pytest.mark.parametrize("strategies", [[], [{"ema": {"decay": 0.5}}]], ids=["plain", "averaged"])
def test_what_is_shipped(train: Train, strategies: list[Any]) -> None:
    changes = {"evaluate_every": "2st"}
    best = train("best", strategies=[Shaken(), *strategies], training=changes)
    last = train("final", strategies=[Shaken(), *strategies], training=changes | {"ship": "last"})
    assert not same(best, last)
    kept = load_file(best.folder / "checkpoints/best/model.safetensors")
    shipped = weights(best)
    assert all(torch.equal(kept[f"/weights/{name}"], tensor) for name, tensor in shipped.items() if f"/weights/{name}" in kept)
    assert any(name.startswith("/weights/") for name in kept)
    trained = load_file(last.folder / "checkpoints/step-00000012/model.safetensors")
    live = all(torch.equal(trained[f"/weights/{name}"], tensor) for name, tensor in weights(last).items() if f"/weights/{name}" in trained)
    assert live is not bool(strategies), "the last weights are shipped; of an average, the average"


def test_without_validation_the_last_step_is_shipped_and_the_report_says_what_was_judged(train: Train) -> None:
    report = train("unjudged", data={"validation": None, "test": None}, training={"epochs": 1})
    assert report.scores["split"] == "train"
    assert not report.facts.events or all(event["event"] != "evaluation" for event in report.facts.events)
    assert not (report.folder / "checkpoints/best").exists()
    trained = load_file(report.folder / "checkpoints/step-00000005/model.safetensors")
    assert all(torch.equal(trained[f"/weights/{name}"], tensor) for name, tensor in weights(report).items())
    assert "the scores say nothing about new data" in (report.folder / "README.md").read_text(encoding="utf-8")
    assert "the scores say nothing about new data" in (report.folder / "report.html").read_text(encoding="utf-8")


def test_only_validation_rows_are_judged_where_there_is_no_test(train: Train) -> None:
    report = train("validated", data={"test": None}, training={"epochs": 1})
    assert report.scores["split"] == "validation"
    assert len(predictions(report, "validation")) == report.scores["examples"] == 4


def test_long_texts_are_cut_and_it_is_said(train: Train) -> None:
    said = Listener()
    report = train("cut", task={"text_classification": {"max_length": 8}}, training={"epochs": 1}, watch=[said])
    cut = [line for line in said.lines if line.startswith("cut: ")]
    assert len(cut) == 1
    assert cut[0].endswith("training rows, by task.max_length 8 or what the model takes")
    assert report.facts.truncated == int(cut[0].split()[1])
    assert any(line.startswith("task: one of 2 labels: ") for line in said.lines)


class Listener(Observer):
    def __init__(self) -> None:
        self._lines: list[str] = []

    @property
    def lines(self) -> list[str]:
        return self._lines

    def memory(self) -> dict[str, Any]:
        return {}

    def say(self, message: str) -> None:
        self._lines.append(message)


def test_the_state_of_training_is_gone_when_the_model_is_judged(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[torch.optim.Optimizer]] = []
    left: list[Any] = []

    def noted(*asked: Any) -> torch.optim.Optimizer:
        own = build(*asked)
        made.append(weakref.ref(own))
        return own

    def judged(*asked: Any) -> Proof:
        gc.collect()
        left.extend(own() for own in made)
        return prove(*asked)

    monkeypatch.setattr(optimizer, "build", noted)
    monkeypatch.setattr("tunesmith.run.prove", judged)
    train("judged", strategies=["clip", "l2sp"])
    assert left == [None]
