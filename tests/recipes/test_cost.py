"""The arithmetic of cost: against numbers worked out by hand, and the way it goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tunesmith.recipes.cost import RUNTIME, Effort, Work, flops, memory

WORK = Work(parameters=3000, inner=1000, layers=2, width=64, rows=100, tokens=10, longest=16, epochs=3)


def test_operations() -> None:
    forward = 2 * 1000 + 4 * 2 * 64 * 10  # of a token
    assert flops(WORK, Effort()) == 10 * 100 * forward * 3 * 3
    assert flops(WORK, Effort(gradients=0, learns=0)) == 10 * 100 * forward  # a probe: each row once
    assert flops(WORK, Effort(gradients=0.5, learns=0.5)) == 10 * 100 * forward * (3 * 1.5 + 0.5)
    assert flops(WORK, Effort(passes=2)) == 2 * flops(WORK, Effort())
    assert flops(replace(WORK, judged=10), Effort()) - flops(WORK, Effort()) == 10 * 10 * 3 * forward
    assert flops(replace(WORK, vocabulary=7), Effort()) - flops(WORK, Effort()) == 10 * 100 * 3 * 3 * 2 * 7 * 64


def test_bytes() -> None:
    activations = 16 * 16 * 64 * (34 + 5 * 16 / 64) * 2 * 2  # rows, tokens, width, numbers, layers, and 4 bytes for 2
    assert memory(WORK, Effort()) == RUNTIME + 4 * (5 * 3000 + 2 * 3000) + activations
    assert memory(WORK, Effort(gradients=0.5, learns=0.5)) == RUNTIME + 4 * (5 * 500 + 2 * 3000) + activations / 2
    assert memory(replace(WORK, optimizer="sgd"), Effort()) == memory(WORK, Effort()) - 4 * 3000
    assert memory(replace(WORK, item=2), Effort()) == memory(WORK, Effort()) - activations / 2
    assert memory(WORK.with_training({"micro_batch": 2}, 0), Effort()) == memory(WORK, Effort()) - activations * 14 / 16
    assert memory(replace(WORK, together=64), Effort()) == memory(WORK, Effort()) - activations * 12 / 16
    assert memory(replace(WORK, together=8), Effort()) == memory(WORK, Effort()) - activations * 15 / 16  # a row at least


def test_what_is_chosen_changes_the_work() -> None:
    assert WORK.with_training({}, 0) == WORK
    assert WORK.with_training({"micro_batch": 2}, 9) == replace(WORK, micro_batch=2, epochs=9)


def test_efforts_come_together() -> None:
    assert Effort().after(gradients=0.5, learns=0.5).after(passes=2.0) == Effort(0.5, 0.5, 2.0)


def test_a_known_model_has_the_size_that_is_known() -> None:
    bert = Work(parameters=110_000_000, inner=85_000_000, layers=12, width=768, rows=10_000, tokens=128, longest=128, batch_size=32)
    assert 3e9 < memory(bert, Effort()) < 9e9
    assert flops(bert, Effort()) == pytest.approx(6 * 85e6 * 128 * 30_000, rel=0.1)  # 6 for each weight and token
