"""Compiled layers: the loss stays what it is, and the choice is made from the run's own times."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import tiny
from training import tiny_fit
from tunesmith.core.clock import Clock
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run
from tunesmith.engine import compiled
from tunesmith.engine.compiled import Compiled


class Losses(Observer):
    def __init__(self) -> None:
        self.losses: list[float] = []

    def memory(self) -> dict[str, Any]:
        return {}

    def step(self, run: Run, record: Record) -> None:
        self.losses.append(record.loss)


@pytest.mark.slow
def test_compiled_layers_give_the_loss_of_plain_ones() -> None:
    plain, fast = Losses(), Losses()
    tiny_fit(None, [plain], dropout=0.0, steps=4, compile="never")
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]  # type: ignore[attr-defined]
    fitted = tiny_fit(None, [fast], dropout=0.0, steps=4, compile="always")
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > before  # type: ignore[attr-defined]
    assert fast.losses == pytest.approx(plain.losses, abs=1e-4)
    assert not [part for part in fitted.model.module.modules() if "forward" in vars(part)]


def made(device: str, choice: str, total: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Compiled, list[str], list[Any]]:
    """A choice to be made, what it says, and what was compiled: nothing is, since ``torch.compile`` only notes it."""
    said: list[str] = []
    noted: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda forward, **settings: noted.append(forward) or forward)
    run: Any = SimpleNamespace(
        model=tiny.bert(num_labels=2), clock=Clock(0, total, 10), device=SimpleNamespace(type=device), say=said.append
    )
    return Compiled(run, choice), said, noted


@pytest.mark.parametrize(
    ("device", "choice", "total", "layers"),
    [
        ("cuda", "auto", 10_000, 3),
        ("cuda", "auto", 100, 0),
        ("cpu", "auto", 10_000, 0),
        ("cpu", "always", 5, 3),
        ("cuda", "never", 10_000, 0),
    ],
)
def test_it_is_chosen_where_it_saves_time(device: str, choice: str, total: int, layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1, 1000))
    monkeypatch.setattr(compiled.time, "perf_counter", lambda: float(next(clock)))  # a second each step
    one, said, noted = made(device, choice, total, monkeypatch)
    for _ in range(compiled.WARM + 1):
        one.follow()
    assert len(noted) == layers
    assert bool(one.on) == bool(layers)
    assert len(said) == ((device, choice) == ("cuda", "auto"))


def test_what_the_compiler_says_of_itself_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    one, _, _ = made("cpu", "always", 5, monkeypatch)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        one.follow()
        warnings.warn("Dynamo detected a call to a `functools.lru_cache`-wrapped function at 'x.py:1'", stacklevel=1)
        warnings.warn("something else", stacklevel=1)
    assert [str(warning.message) for warning in shown] == ["something else"]


def test_a_long_run_pays_and_a_short_one_does_not() -> None:
    assert compiled.pays(10_000, 1.0) == pytest.approx(10_000 * compiled.GAIN - compiled.SECONDS)
    assert compiled.pays(100, 0.1) < 0
