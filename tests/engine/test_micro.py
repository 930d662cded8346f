"""Micro-batches: how rows are split, and what happens where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from training import SGD, ragged, same, tiny_fit, weights
from tunesmith.core.batch import Batch
from tunesmith.core.errors import ResourceError
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.engine import micro


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


def test_micro_batches_are_halved_where_memory_runs_out(tmp_path: Path) -> None:
    fitted = tiny_fit(tmp_path, [Hungry()], steps=3, dropout=0.0, optimizer="sgd")
    assert "going on with micro-batches of 2 rows" in (tmp_path / "events.jsonl").read_text()
    plain = weights(tiny_fit(None, steps=3, dropout=0.0, optimizer="sgd"))
    assert all(torch.allclose(value, plain[name], atol=1e-6) for name, value in weights(fitted).items())


def test_of_several_processes_all_stop_where_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.engine.distributed.world", lambda: 2)  # the others would go on with another split
    monkeypatch.setattr("tunesmith.engine.distributed.total", lambda value: value)
    with pytest.raises(ResourceError, match="one of the processes"):
        tiny_fit(None, [Hungry()], steps=1, batch_size=8)
