"""A curriculum: the pace of the paper, easy rows first, all rows in the end, and the same rows after a resume."""

from __future__ import annotations

import dataclasses
import re
import shutil
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import tiny
from training import same, tiny_fit, weights
from tunesmith.core.clock import Clock, Span
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.data.encode import encode
from tunesmith.data.load import load
from tunesmith.data.settings import DataSettings
from tunesmith.engine.events import read_events
from tunesmith.strategies.curriculum import Curriculum, share_at
from tunesmith.tasks.text_classification import TextClassification

ROWS: list[dict[str, Any]] = [{"length": 5 + row, "row": row, "input_ids": [1]} for row in range(20)]


def fed(strategy: Curriculum, run: Run, steps: range) -> list[list[int]]:
    """The rows of each step."""
    run.train, found = ROWS, []
    strategy.begin(run)
    for step in steps:
        run.clock = Clock(step, 20, 5)
        found.append([row["row"] for row in next(strategy.feed(repeat(ROWS[:4]), run))])
    return found


@pytest.mark.parametrize(
    ("pace", "shares"), [("linear", [0.2, 0.4, 0.6, 0.8]), ("root", [0.2, 0.5292, 0.7211, 0.8718]), ("step", [0.2, 0.2, 0.4667, 0.7333])]
)
def test_the_share_grows_as_the_paper_says(pace: str, shares: list[float]) -> None:
    assert [share_at(Clock(step, 20, 5), 8, 0.2, pace) for step in (0, 2, 4, 6)] == pytest.approx(shares, abs=1e-4)
    assert share_at(Clock(8, 20, 5), 8, 0.2, pace) == 1


def test_easy_rows_come_first_and_each_at_most_once_in_a_batch(run: Run) -> None:
    batches = fed(Curriculum(start=0.3, until=Span(10, "st"), pace="linear"), run, range(10))
    for step, rows in enumerate(batches):
        assert len(set(rows)) == 4
        assert max(rows) < round(20 * (0.3 + 0.07 * step))
    assert max(map(max, batches)) > 12


def test_the_order_can_be_turned_round(run: Run) -> None:
    assert min(fed(Curriculum(start=0.3, hardest_first=True), run, range(1))[0]) >= 14


def test_in_the_end_it_is_the_plain_order(run: Run) -> None:
    assert fed(Curriculum(until=Span(5, "st")), run, range(5, 8)) == [[0, 1, 2, 3]] * 3


def test_a_step_draws_the_same_rows_whatever_was_drawn_before(run: Run) -> None:
    strategy = Curriculum(start=0.5)
    assert fed(strategy, run, range(8))[5:] == fed(strategy, run, range(5, 8))
    assert fed(strategy, run, range(1)) != fed(strategy, dataclasses.replace(run, seed=run.seed + 1), range(1))


def test_rows_are_put_in_order_once_and_not_at_every_step(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    strategy, asked, argsort = Curriculum(start=0.3), [], torch.argsort
    monkeypatch.setattr(torch, "argsort", lambda given, **settings: asked.append(given) or argsort(given, **settings))
    fed(strategy, run, range(8))
    assert len(asked) == 1
    strategy.difficulty = -strategy.difficulty  # renewed, or taken back from a checkpoint
    run.clock = Clock(0, 20, 5)
    assert min(row["row"] for row in next(strategy.feed(repeat(ROWS[:4]), run))) >= 14
    assert len(asked) == 2
    assert not {"_by", "_order"} & set(strategy.memory())


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """A tuned model for the labels bad and good."""
    model = tiny.bert(seed=5)
    model.config.id2label, model.config.label2id = {0: "bad", 1: "good"}, {"bad": 0, "good": 1}
    model.save_pretrained(tmp_path / "reference")
    tiny.tokenizer().save_pretrained(tmp_path / "reference")
    return tmp_path / "reference"


def by_hand(model: Any, run: Run) -> list[float]:
    found = []
    for row in run.train:
        with torch.no_grad():
            logits = model.eval()(torch.tensor([list(row["input_ids"])])).logits
        found.append(float(F.cross_entropy(logits, torch.tensor([row["label"]]))))
    return found


def test_the_loss_of_a_reference_model_is_the_difficulty(reference: Path, tmp_path: Path) -> None:
    strategy = Curriculum(by="loss", reference=str(reference), start=0.5)
    fitted = tiny_fit(tmp_path / "run", [strategy], steps=8)
    assert strategy.difficulty.tolist() == pytest.approx(by_hand(tiny.bert(seed=5), fitted.run), abs=1e-4)
    assert not [event for event in read_events(tmp_path / "run" / "events.jsonl") if "says little" in str(event)]


def test_without_a_reference_it_is_the_loss_of_the_model_before_tuning(tmp_path: Path) -> None:
    strategy = Curriculum(by="loss")
    fitted = tiny_fit(tmp_path, [strategy], steps=4)
    assert strategy.scored == 0
    assert strategy.difficulty.tolist() == pytest.approx(by_hand(tiny.bert(num_labels=2), fitted.run), abs=1e-4)


def test_self_paced_it_follows_the_model_and_resumes_to_the_last_bit(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 10, "save_every": Span(3, "st")}
    strategies = [Curriculum(by="loss", renew=Span(2, "st"), until=Span(8, "st")) for _ in range(2)]
    through = tiny_fit(tmp_path / "through", strategies[:1], **settings)
    assert strategies[0].scored == 6
    at = "checkpoints/step-00000003"
    shutil.copytree(tmp_path / "through" / at, tmp_path / "resumed" / at)
    assert same(weights(tiny_fit(tmp_path / "resumed", strategies[1:], **settings)), weights(through))


def test_a_reference_never_changes() -> None:
    with pytest.raises(InputError, match="never changes"):
        Curriculum(by="loss", reference="run", renew=Span(1, "ep"))


def test_rows_that_are_compared_have_no_loss_of_their_own(run: Run) -> None:
    run.train = ROWS
    run.task = SimpleNamespace(compares=True)  # type: ignore[assignment]
    with pytest.raises(InputError, match="a row alone has no loss"):
        Curriculum(by="loss").begin(run)


@pytest.mark.parametrize(
    ("by", "task", "refusal"),
    [
        ("difficulty", {}, "no difficulty each. Name the column that holds it: data.columns: {difficulty: COLUMN}"),
        ("perplexity", {}, "perplexity is that of a language model"),
        ("confidence", {"offers": frozenset()}, "no probabilities of what is right"),
        ("confidence", {"kind": "regression"}, "no probabilities of what is right"),
    ],
)
def test_what_rows_and_task_do_not_have_is_refused(by: str, task: dict[str, Any], refusal: str, run: Run) -> None:
    run.train = ROWS
    run.task = SimpleNamespace(**{"compares": False, "offers": frozenset({"logits"}), **task})  # type: ignore[assignment]
    with pytest.raises(InputError, match=re.escape(refusal)):
        Curriculum(by=by).begin(run)


def test_a_column_of_the_data_is_the_difficulty(run: Run) -> None:
    rows = [{"text": "a film", "label": "ab"[row % 2], "hard": str(9.5 - row)} for row in range(10)]
    data = load(DataSettings(rows, validation=None, columns={"difficulty": "hard"}), task := TextClassification(), 0)
    run.train = encode(data.train, task, tiny.tokenizer())
    strategy = Curriculum(by="difficulty", start=0.3)
    strategy.begin(run)
    assert strategy.difficulty.tolist() == [9.5 - row for row in range(10)]
    assert {row["row"] for row in next(strategy.feed(repeat([{}] * 3), run))} == {7, 8, 9}


def test_confidence_is_the_probability_of_the_truth(reference: Path, tmp_path: Path) -> None:
    strategy = Curriculum(by="confidence", reference=str(reference), start=0.5)
    fitted = tiny_fit(tmp_path, [strategy], steps=4)
    losses = torch.tensor(by_hand(tiny.bert(seed=5), fitted.run))
    assert strategy.difficulty.tolist() == pytest.approx((1 - (-losses).exp()).tolist(), abs=1e-4)
