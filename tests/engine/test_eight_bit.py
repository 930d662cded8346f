"""AdamW in 8 bits: the numbers that codes stand for, how near it stays to AdamW, and what it takes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from training import same, tiny_fit, weights
from tunesmith.core.clock import Span
from tunesmith.engine import eight_bit
from tunesmith.engine.eight_bit import BLOCK, AdamW8bit, code, quantised, restored

TOLD: dict[str, Any] = {"lr": 1e-2, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.1}


@pytest.mark.parametrize("signed", [True, False])
def test_codes_stand_for_256_numbers_in_order(signed: bool) -> None:
    numbers = code(signed)
    assert len(numbers.unique()) == 256
    assert numbers[-1] == 1
    assert 0 in numbers
    assert float(numbers.abs()[numbers != 0].min()) == pytest.approx(1e-6 * (0.55 if signed else 0.325), rel=1e-3)
    assert (numbers < 0).sum() == (127 if signed else 0)


@pytest.mark.parametrize("count", [BLOCK, 3 * BLOCK - 7])
@pytest.mark.parametrize("signed", [True, False])
def test_what_is_restored_is_near(signed: bool, count: int) -> None:
    torch.manual_seed(0)
    values = torch.randn(count) * torch.logspace(-8, 8, count)
    values = values if signed else values.square()
    found = restored(*quantised(values, signed), signed)
    scale = values.abs().split(BLOCK)
    largest = torch.cat([part.max().expand(len(part)) for part in scale])
    assert bool(((found - values).abs() <= 0.01 * largest).all())
    middle = values.abs() > 1e-2 * largest
    assert bool(((found - values)[middle].abs() <= 0.12 * values[middle].abs()).all())


def test_zeros_stay_and_small_squares_do_not_become_zeros() -> None:
    values = torch.zeros(BLOCK)
    assert restored(*quantised(values, signed=False), signed=False).equal(values)
    values[0], values[1] = 1.0, 1e-12
    assert float(restored(*quantised(values, signed=False), signed=False)[1]) > 0
    assert float(restored(*quantised(values, signed=False), signed=False)[2]) == 0


def run(kind: Any, size: int, steps: int) -> tuple[Tensor, Any]:
    """The weights after some steps down a bowl whose axes differ, and the optimizer."""
    torch.manual_seed(1)
    start, steepness = torch.randn(size), torch.rand(size) + 0.1
    parameter = torch.nn.Parameter(start)
    optimizer = kind([parameter], **TOLD)
    for _ in range(steps):
        optimizer.zero_grad()
        (steepness * parameter.square()).sum().backward()
        optimizer.step()
    return parameter.detach(), optimizer


def test_the_first_update_is_that_of_adamw() -> None:
    torch.testing.assert_close(run(AdamW8bit, 9000, 1)[0], run(torch.optim.AdamW, 9000, 1)[0], rtol=1e-5, atol=1e-6)


def test_it_stays_near_adamw() -> None:
    ours, theirs = run(AdamW8bit, 9000, 50)[0], run(torch.optim.AdamW, 9000, 50)[0]
    moved = (theirs - run(torch.optim.AdamW, 9000, 0)[0]).abs().mean()
    assert float((ours - theirs).abs().mean()) < 0.05 * float(moved)


def test_small_parameters_are_updated_as_by_adamw() -> None:
    torch.testing.assert_close(run(AdamW8bit, 100, 20)[0], run(torch.optim.AdamW, 100, 20)[0], rtol=1e-5, atol=1e-6)


def test_its_state_takes_a_quarter() -> None:
    states = [next(iter(run(kind, 9000, 1)[1].state.values())) for kind in (AdamW8bit, torch.optim.AdamW)]
    ours, theirs = (sum(value.nbytes for value in state.values()) for state in states)
    assert ours < 0.26 * theirs


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(AdamW8bit, 9000, 5)[0]
    monkeypatch.setattr(eight_bit, "PIECE", 2 * BLOCK)
    assert torch.equal(run(AdamW8bit, 9000, 5)[0], whole)


def test_a_run_resumes_to_the_last_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eight_bit, "SMALL", 64)
    settings: dict[str, Any] = {"steps": 6, "save_every": Span(3, "st"), "optimizer": "adamw_8bit"}
    through = tiny_fit(tmp_path / "through", **settings)
    shutil.copytree(tmp_path / "through" / "checkpoints" / "step-00000003", tmp_path / "resumed" / "checkpoints" / "step-00000003")
    assert same(weights(tiny_fit(tmp_path / "resumed", **settings)), weights(through))
    assert not same(weights(tiny_fit(None, **(settings | {"optimizer": "adamw"}))), weights(through))
