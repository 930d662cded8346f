"""The loop: one division per step, accumulation, memory running out, divergence, and strategies around it in their order."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import tiny
from training import SGD, ragged, same, tiny_fit, weights
from tunesmith.core.batch import Batch
from tunesmith.core.clock import Span
from tunesmith.core.errors import DivergedError, InputError
from tunesmith.core.loss import Loss
from tunesmith.core.observer import Observer, Record
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.strategy import Rows, Strategy
from tunesmith.core.task import Row, Task
from tunesmith.engine import state
from tunesmith.engine.checkpoint import Checkpoints
from tunesmith.engine.events import read_events
from tunesmith.model import embedding
from tunesmith.strategies.chain_thaw import ChainThaw
from tunesmith.strategies.clip import Clip
from tunesmith.strategies.early_stop import EarlyStop
from tunesmith.strategies.ema import EMA
from tunesmith.strategies.l2sp import L2SP
from tunesmith.strategies.lora import LoRA
from tunesmith.strategies.sam import SAM
from tunesmith.tasks.text_classification import TextClassification


@pytest.mark.parametrize("micro_batch", [1, 2, 4, 5])
def test_accumulation_equals_one_big_batch(micro_batch: int) -> None:
    big = weights(tiny_fit(None, make_task=ragged, batch_size=6, micro_batch=6, dropout=0.0, **SGD))
    small = weights(tiny_fit(None, make_task=ragged, batch_size=6, micro_batch=micro_batch, dropout=0.0, **SGD))
    assert max(float((big[name] - small[name]).abs().max()) for name in big) < 1e-6


def test_accumulation_with_class_weights_divides_by_the_sum_of_weights() -> None:
    def weighted() -> tuple[Task, list[Row]]:
        _, rows = ragged()
        return TextClassification(max_length=16, class_weights=[1.0, 5.0]), rows[:5]

    big = weights(tiny_fit(None, make_task=weighted, batch_size=5, micro_batch=5, dropout=0.0, **SGD))
    small = weights(tiny_fit(None, make_task=weighted, batch_size=5, micro_batch=2, dropout=0.0, **SGD))
    assert max(float((big[name] - small[name]).abs().max()) for name in big) < 1e-6


@dataclass
class Spoiled(Strategy):
    """Makes one loss infinite."""

    at: int = 2

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        return loss.plus("spoiled", torch.tensor(float("inf"))) if run.clock.step == self.at else loss


def test_a_loss_that_is_not_finite_stops_the_run_and_names_step_and_rows(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="inf at step 3") as caught:
        tiny_fit(tmp_path, [Spoiled()])
    assert len(caught.value.rows) == 4
    assert (tmp_path / "checkpoints" / "step-00000002").exists()


@dataclass
class Journal(Strategy):
    """Writes down when each seam ran."""

    name: str
    lines: Any

    def note(self, text: str) -> None:
        self.lines.append(f"{self.name} {text}")

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        for rows in batches:
            self.note("feed")
            yield rows

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        self.note("loss")
        return inner(batch)

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        self.note("gradient")
        return inner(batches)

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        self.note("step")
        inner()


def test_recipe_order_is_composition_order() -> None:
    lines: list[str] = []
    tiny_fit(None, [Journal("first", lines), Journal("second", lines)], steps=1)
    # A feed transforms a stream: the innermost sees the source first. The others wrap calls: the outermost is called first.
    order = ["second feed", "first feed", "first gradient", "second gradient", "first loss", "second loss", "first step", "second step"]
    assert lines == order


@dataclass
class Nothing(Strategy):
    """Freezes every parameter."""

    def plan(self, param: Param, rule: Rule, clock: object) -> Rule:
        return Rule(learns=False)


def test_a_plan_in_which_nothing_learns_is_refused() -> None:
    with pytest.raises(InputError, match="Nothing would learn"):
        tiny_fit(None, [Nothing()])


@pytest.mark.parametrize("others", [[], [Clip(0.1)], [SAM()]], ids=lambda others: "".join(type(other).__name__ for other in others))
def test_a_phase_in_which_nothing_learns_is_told_and_passes(others: list[Strategy]) -> None:
    reader = Reader()
    fitted = tiny_fit(None, [LoRA(rank=2), ChainThaw(every=Span(1, "st")), *others, reader], steps=6)
    assert any("nothing learns in 17% of the steps" in line for line in reader._said)  # the embeddings' phase: they have no adapter
    assert fitted.run.clock.step == 5


def test_a_phase_in_which_nothing_learns_passes_in_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "choose", lambda *_: torch.float32)  # float16 is refused here: its scaling of the loss is what counts
    fitted = tiny_fit(None, [LoRA(rank=2), ChainThaw(every=Span(1, "st"))], steps=6, precision="float16")
    assert fitted.run.clock.step == 6


@dataclass
class Weightless(Strategy):
    """Makes losses of which nothing counts, with a named part."""

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        return Loss(inner(batch).sum * 0.0, 0.0, parts={"nothing": torch.zeros(())})


def test_a_step_in_which_nothing_counts_has_a_loss_of_zero(tmp_path: Path) -> None:
    tiny_fit(tmp_path, [Weightless()], steps=1)
    assert [(event["loss"], event["parts"]) for event in read_events(tmp_path / "events.jsonl") if event["event"] == "step"] == [
        (0.0, {"nothing": 0.0})
    ]


@dataclass
class Failing(Observer):
    """Fails when it begins, or when it ends."""

    at: str = "begin"

    def begin(self, run: Run) -> None:
        if self.at == "begin":
            raise ValueError("begin")

    def end(self, run: Run, reason: str) -> None:
        raise OSError("end")


@pytest.mark.parametrize(("at", "first"), [("begin", ValueError), ("end", OSError)])
def test_every_observer_that_began_is_ended_and_the_first_error_is_told(at: str, first: type[Exception], tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(first, match=at):
        tiny_fit(tmp_path, [Failing(at)], steps=1)  # before the checkpoints, which begin first and end last
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    ended = [event["reason"] for event in read_events(tmp_path / "events.jsonl") if event["event"] == "end"]
    assert ended == ["failed" if at == "begin" else "all steps done"]


@dataclass
class Owner(Strategy):
    owns = frozenset({"the moon"})


@dataclass
class Needy(Strategy):
    needs = frozenset({"a tide"})


def test_clashes_and_lacks_are_all_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        tiny_fit(None, [Owner(), Owner(), Needy()])
    assert len(caught.value.problems) == 2
    assert "both decide on the moon" in str(caught.value)
    assert "needs a tide" in str(caught.value)


@dataclass
class Reader(Observer):
    """Keeps the records."""

    def __post_init__(self) -> None:
        self._records: list[Record] = []
        self._said: list[str] = []

    def say(self, message: str) -> None:
        self._said.append(message)

    def step(self, run: Run, record: Record) -> str | None:
        self._records.append(record)
        return "enough" if record.step == 5 else None


def test_records_say_what_happened_and_an_observer_can_end_the_run() -> None:
    reader = Reader()
    fitted = tiny_fit(None, [reader], steps=9)
    assert fitted.reason == "enough"
    assert [record.step for record in reader._records] == [1, 2, 3, 4, 5]
    assert all(0 <= record.padding < 1 and record.tokens > 0 and record.rate > 0 for record in reader._records)
    assert [record.scores is not None for record in reader._records] == [False, False, True, False, False]


def test_rows_are_drawn_alike_whatever_micro_batch_came_before() -> None:
    """A resumed run has none before its first step."""
    numbers: list[int] = []

    class Drawing(Strategy):
        def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
            for rows in batches:
                numbers.append(run.micro)
                yield rows

    tiny_fit(None, [Drawing()], steps=3, micro_batch=1)
    assert numbers == [0, 0, 0]


def test_two_equal_runs_are_equal_and_another_seed_is_not() -> None:
    assert same(weights(tiny_fit(None, seed=1)), weights(tiny_fit(None, seed=1)))
    assert not same(weights(tiny_fit(None, seed=1)), weights(tiny_fit(None, seed=2)))


class Chance(Strategy):
    """Draws as some models do: from NumPy's and Python's global random numbers."""

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        return replace(loss, sum=loss.sum * (np.random.random() + random.random()))


def test_what_draws_from_numpy_and_python_is_repeated() -> None:
    np.random.seed(1)
    random.seed(1)
    first = weights(tiny_fit(None, [Chance()], micro_batch=2))
    assert same(first, weights(tiny_fit(None, [Chance()], micro_batch=2)))


def recording(self: Any, rows: list[int], use: Any, used: Tensor) -> None:
    rows += used.tolist()
    use(self, used)


@pytest.mark.parametrize("strategies", [[], [EMA(decay=0.5)], [L2SP(strength=0.01)]], ids=["alone", "ema", "l2sp"])
def test_the_tokens_of_the_data_learn_as_if_all_did(strategies: list[Strategy], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain = tiny_fit(None, strategies, weight_decay=0.0)
    monkeypatch.setattr(embedding, "LARGE", 1000)
    rows: list[int] = []
    monkeypatch.setattr(embedding.Embedding, "use", partialmethod(recording, rows, embedding.Embedding.use))
    ours = tiny_fit(tmp_path, strategies, weight_decay=0.0)
    assert 0 < len(rows) < len(tiny.VOCABULARY)
    for name, tensor in weights(plain).items():
        torch.testing.assert_close(weights(ours)[name], tensor, rtol=1e-4, atol=1e-6)
    table = ours.model.module.get_parameter("bert.embeddings.word_embeddings.weight")
    assert table.shape[0] == len(tiny.VOCABULARY)
    Checkpoints(tmp_path / "checkpoints", keep=9).load_best(ours.run)  # after the end, the table is whole
    assert table.shape[0] == len(tiny.VOCABULARY)


def test_a_run_that_was_ended_and_died_afterwards_trains_no_further(tmp_path: Path) -> None:
    stopping: dict[str, Any] = {"steps": 12, "evaluate_every": Span(1, "st"), "learning_rate": 1e-30}
    first = tiny_fit(tmp_path, [EarlyStop(patience=2)], **stopping)
    assert first.run.clock.step < 12
    again = tiny_fit(tmp_path, [EarlyStop(patience=2)], **stopping)
    assert (again.run.clock, again.reason) == (first.run.clock, first.reason)


@pytest.mark.parametrize("has", [True, False])
def test_a_format_that_the_processor_does_not_have_is_told(has: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "has_bfloat16", lambda _: has)
    tiny_fit(tmp_path, steps=1, precision="bfloat16")
    said = [event["text"] for event in read_events(tmp_path / "events.jsonl") if event["event"] == "say"]
    assert any("no instructions for bfloat16" in text for text in said) != has
