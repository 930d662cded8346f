"""The loop: one division per step, accumulation, memory running out, divergence, and strategies around it in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from training import same, tiny_fit, weights
from tunesmith.core.batch import Batch
from tunesmith.core.clock import Span
from tunesmith.core.errors import DivergedError, InputError, ResourceError
from tunesmith.core.loss import Loss
from tunesmith.core.observer import Observer, Record
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.strategy import Rows, Strategy
from tunesmith.core.task import Row, Task
from tunesmith.engine import micro
from tunesmith.engine.checkpoint import Checkpoints
from tunesmith.model import embedding
from tunesmith.strategies.chain_thaw import ChainThaw
from tunesmith.strategies.clip import Clip
from tunesmith.strategies.early_stop import EarlyStop
from tunesmith.strategies.ema import EMA
from tunesmith.strategies.l2sp import L2SP
from tunesmith.strategies.lora import LoRA
from tunesmith.strategies.sam import SAM
from tunesmith.tasks.text_classification import TextClassification

SGD: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.1}  # Adam would blow up differences in the last bit of small gradients


def ragged() -> tuple[Task, list[Row]]:
    """Rows of very different lengths: means of means would be wrong."""
    texts = ["a", "a good film", "what a great day for a very good film", "bad", "a poor film", "a day"]
    labels = ["good", "good", "good", "bad", "bad", "bad"]
    return TextClassification(max_length=16), [{"text": t, "label": y} for t, y in zip(texts, labels, strict=True)]


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
class Limited(Strategy):
    """A processor whose memory takes ``rows`` rows at once."""

    rows: int = 2

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        if len(batch) > self.rows:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return inner(batch)


def test_micro_batch_is_halved_when_memory_runs_out() -> None:
    limited, free = tiny_fit(None, [Limited()], dropout=0.0, **SGD), tiny_fit(None, dropout=0.0, **SGD)
    distance = max(float((weights(limited)[name] - weights(free)[name]).abs().max()) for name in weights(free))
    assert distance < 1e-6
    assert limited.run.clock == free.run.clock


def test_one_row_that_does_not_fit_is_the_end(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="max_length"):
        tiny_fit(tmp_path / "auto", [Limited(rows=0)])
    assert "computed again" in (tmp_path / "auto" / "events.jsonl").read_text()  # what could be given up was given up first
    with pytest.raises(ResourceError, match="max_length"):
        tiny_fit(tmp_path / "never", [Limited(rows=0)], recompute="never")
    assert "computed again" not in (tmp_path / "never" / "events.jsonl").read_text()


def test_activations_that_are_computed_again_change_no_bit() -> None:
    assert same(weights(tiny_fit(None, recompute="always")), weights(tiny_fit(None)))


def test_a_row_that_would_not_fit_lets_activations_be_computed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(micro, "positions_that_fit", lambda run, recomputes=False: 64 if recomputes else 2)
    fitted = tiny_fit(tmp_path, steps=1)
    assert "would not fit" in (tmp_path / "events.jsonl").read_text()
    assert all(layer.gradient_checkpointing for layer in fitted.model.module.bert.encoder.layer)


@dataclass
class Sizes(Strategy):
    """Writes down the shape of every micro-batch: rows, and tokens of the longest."""

    compares: bool = False

    def begin(self, run: Run) -> None:
        self.seen: list[tuple[int, ...]] = []

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        self.seen.append(tuple(batch.inputs["input_ids"].shape))
        return inner(batch)


def test_a_cpu_computes_as_many_positions_at_once_as_keep_it_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(micro, "ENOUGH", 16)
    small, whole, told = Sizes(), Sizes(compares=True), Sizes()
    tiny_fit(None, [small], make_task=ragged, batch_size=6, steps=2)
    assert all(rows * longest <= 16 or rows == 1 for rows, longest in small.seen)
    assert len(small.seen) > 2
    tiny_fit(None, [whole], make_task=ragged, batch_size=6, steps=2)  # what compares rows wants all of them
    assert [rows for rows, _ in whole.seen] == [6, 6]
    tiny_fit(None, [told], make_task=ragged, batch_size=6, micro_batch=6, steps=2)  # and what the recipe says counts
    assert [rows for rows, _ in told.seen] == [6, 6]


@dataclass
class Spoiled(Strategy):
    """Makes one loss infinite."""

    at: int = 2

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        return loss.plus("spoiled", torch.tensor(float("inf"))) if run.clock.step == self.at else loss


def test_a_loss_that_is_not_finite_stops_the_run_and_names_step_and_rows(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"inf at step 3, on rows \[\d"):
        tiny_fit(tmp_path, [Spoiled()])
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


def test_two_equal_runs_are_equal_and_another_seed_is_not() -> None:
    assert same(weights(tiny_fit(None, seed=1)), weights(tiny_fit(None, seed=1)))
    assert not same(weights(tiny_fit(None, seed=1)), weights(tiny_fit(None, seed=2)))


def test_memory_messages_are_recognised() -> None:
    assert micro.out_of_memory(MemoryError())
    assert micro.out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not micro.out_of_memory(RuntimeError("shapes do not match"))


@dataclass
class Hungry(Strategy):
    """Has memory for two rows at once."""

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        if max(map(len, batches)) > 2:
            raise MemoryError
        return inner(batches)


def test_micro_batches_are_halved_where_memory_runs_out() -> None:
    reader = Reader()
    fitted = tiny_fit(None, [Hungry(), reader], steps=3, dropout=0.0, optimizer="sgd")
    assert any("going on with micro-batches of 2 rows" in line for line in reader._said)
    plain = weights(tiny_fit(None, steps=3, dropout=0.0, optimizer="sgd"))
    assert all(torch.allclose(value, plain[name], atol=1e-6) for name, value in weights(fitted).items())


def test_of_several_processes_all_stop_where_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.engine.distributed.world", lambda: 2)  # the others would go on with another split
    monkeypatch.setattr("tunesmith.engine.distributed.total", lambda value: value)
    with pytest.raises(ResourceError, match="one of the processes"):
        tiny_fit(None, [Hungry()], steps=1, batch_size=8)


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
