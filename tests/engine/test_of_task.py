"""Strategies of one task among several: they see it as if it were alone, and the others are as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from training import TRAINING, mixed_fit, mixture, of_task, same, weights
from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.core.mixture import PLACE
from tunesmith.core.run import Run
from tunesmith.core.strategy import Rows, Strategy
from tunesmith.data.mixing import MixedRows, Mixing
from tunesmith.engine.loop import fit
from tunesmith.engine.of_task import is_for_one
from tunesmith.model.build import Model
from tunesmith.strategies.few_shot import FewShot
from tunesmith.strategies.focal import Focal
from tunesmith.strategies.freeze import Freeze
from tunesmith.strategies.label_smoothing import LabelSmoothing
from tunesmith.strategies.mixup import Mixup
from tunesmith.strategies.r_drop import RDrop
from tunesmith.strategies.uncertainty import Uncertainty


@dataclass
class Spy(Strategy):
    """Notes what it is shown, and doubles its rows: one that it was given, one that it brings, and so on."""

    fed: list[list[dict[str, Any]]] = field(default_factory=list)
    losses: list[Batch] = field(default_factory=list)

    def begin(self, run: Run) -> None:
        self.run, self.items = run, list(run.train)

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        for rows in batches:
            self.fed.append(rows)
            assert run.clock.step == self.run.clock.step == len(self.fed) - 1
            yield [*rows, *({**row, "row": row["row"] + len(self.items)} for row in rows)]

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        self.losses.append(batch)
        assert run.forward(batch).logits.shape == (len(batch), 2)
        return inner(batch)


@dataclass
class All(Strategy):
    """Notes the rows of all tasks, as they are trained on."""

    batches: list[Batch] = field(default_factory=list)

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        self.batches.append(batch)
        return inner(batch)


def test_it_sees_the_task_as_if_that_were_alone() -> None:
    spy, around = Spy(), All()
    fitted = mixed_fit(None, [around], own={"texts": [spy]}, steps=3)
    alone = [{name: value for name, value in row.items() if name != "group"} for row in spy.items]
    assert [row["row"] for row in spy.items] == list(range(len(spy.items)))
    assert all(PLACE not in row for rows in [spy.items, *spy.fed] for row in rows)
    assert all({name: value for name, value in row.items() if name != "group"} in alone for rows in spy.fed for row in rows)
    model = spy.run.model
    assert [*spy.run.params] == [name for name, _ in model.named_parameters()]
    assert all(param.name == name for name, param in spy.run.params.items())
    assert type(model).__name__ == "BertForSequenceClassification"
    assert model is not fitted.run.model
    own = [batch for batch in around.batches if batch.notes[PLACE] == "texts"]
    others = [batch for batch in around.batches if batch.notes[PLACE] == "tags"]
    assert len(own) == len(spy.losses) == len(others) == 3
    tags, texts = (len(fitted.run.train) - len(spy.items), len(spy.items))
    for seen, of_all in zip(spy.losses, own, strict=True):
        known = seen.rows[seen.rows < texts]
        assert sorted((known + texts).tolist()) == sorted(seen.rows[seen.rows >= texts].tolist())
        assert of_all.rows.tolist() == (seen.rows + tags).tolist()  # what is brought comes after all rows
    assert all(int(batch.rows.max()) < tags for batch in others)


def test_of_the_only_task_it_is_a_strategy_of_the_whole() -> None:
    def trained(alone: bool) -> Any:
        model, task, data, examples = mixture(order=["texts"])
        parts = [LabelSmoothing(strength=0.2), RDrop(), Focal()]
        strategies = [of_task("texts", task, examples, parts)] if alone else parts
        model = Model(model.module, model.tokenizer, None, "", ())  # type: ignore[arg-type]
        return weights(fit(model, task, data, [*strategies, MixedRows(Mixing(), 4)], replace(TRAINING, steps=3), None, []))

    torch.manual_seed(0)
    assert same(trained(alone=True), trained(alone=False))


def test_the_other_task_trains_as_before() -> None:
    plain, changed = All(), All()
    mixed_fit(None, [plain], own={"texts": []}, steps=1)
    mixed_fit(None, [changed], own={"texts": [Spy()]}, steps=1)
    before, after = ([batch for batch in found.batches if batch.notes[PLACE] == "tags"] for found in (plain, changed))
    assert [batch.rows.tolist() for batch in before] == [batch.rows.tolist() for batch in after]


@pytest.mark.parametrize(("strategy", "whether"), [(Focal(), True), (Freeze(layers=1), False), (FewShot(), False)])
def test_what_changes_rows_and_loss_alone_may_be_of_one_task(strategy: Strategy, whether: bool) -> None:
    assert is_for_one(strategy) is whether


@pytest.mark.parametrize(
    ("strategies", "message"),
    [
        ([Mixup(), Mixup()], "'mixup' and 'mixup' both decide on"),
        ([Uncertainty()], "'uncertainty' needs several tasks, each in passes of its own, which task 'text_classification' has not"),
    ],
)
def test_they_must_go_together_and_with_the_task(strategies: list[Strategy], message: str) -> None:
    with pytest.raises(InputError, match=message):
        mixed_fit(None, own={"texts": strategies}, steps=1)
