"""The range test: its rates, its mean, what it chooses of hand-made losses, its drawings, and a real one."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import tiny
from runs import rows
from tunesmith.core.errors import InputError
from tunesmith.rate_finder import HIGHEST, LOWEST, STEPS, chosen, drawn, find_rate, rate_at, rounded, smoothed, svg
from tunesmith.recipes.recipe import recipe_from

RATES = [rate_at(step, STEPS) for step in range(STEPS)]


def curve(rate: float) -> float:
    """A loss that falls around 1e-3, is lowest near 3e-2 and rises after it."""
    return 2 - 1 / (1 + (1e-3 / rate) ** 2) + (rate / 0.3) ** 3


def test_rates_rise_in_equal_ratios() -> None:
    assert RATES[0] == LOWEST
    assert RATES[-1] == pytest.approx(HIGHEST)
    assert RATES[10] / RATES[9] == pytest.approx(RATES[40] / RATES[39])


def test_the_mean_is_that_of_adam() -> None:
    assert smoothed([3.0, 3.0, 3.0]) == pytest.approx([3.0, 3.0, 3.0])
    assert smoothed([1.0, 2.0])[1] == pytest.approx((0.9 * 0.1 * 1.0 + 0.1 * 2.0) / (1 - 0.81))


def test_the_choice_is_the_steepest_fall_or_a_tenth_of_the_lowest() -> None:
    found = chosen(RATES, [curve(rate) for rate in RATES])
    assert 5e-4 < found.steepest < 1e-2
    assert 1e-2 < found.lowest < 0.5
    assert found.rate == rounded(min(found.steepest, found.lowest / 10))
    assert rounded(0.000346) == 0.0003


@pytest.mark.parametrize("losses", [[1.0, 1.1, 1.2], []])
def test_a_loss_that_never_falls_is_told(losses: list[float]) -> None:
    with pytest.raises(InputError, match="makes the loss fall"):
        chosen(RATES[: len(losses)], losses)


def test_drawings() -> None:
    found = chosen(RATES, [curve(rate) for rate in RATES])
    lines = drawn(found)
    assert len({len(line) for line in lines[-1:]}) == 1
    assert "1e-07" in lines[-1]
    assert any("|" in line for line in lines)
    assert sum(line.count("*") for line in lines) > 30
    root = ET.fromstring(svg(found))
    assert f"{found.rate:g}" in "".join(root.itertext())


def test_a_real_one_finds_a_rate_that_learns(tmp_path: Path) -> None:
    recipe = recipe_from(
        {
            "model": str(tiny.folder(tmp_path)),
            "task": "text_classification",
            "data": {"train": rows()},
            "strategies": [{"freeze": {"layers": 1}}],
            "training": {"batch_size": 8, "precision": "float32"},
        }
    )
    found = find_rate(recipe, print)
    assert 1e-6 < found.rate < 0.1
    assert all(math.isfinite(loss) for loss in found.losses)
    assert len(found.losses) <= STEPS


def test_a_rate_of_the_head_changes_nothing(tmp_path: Path) -> None:
    told = {"model": str(tiny.folder(tmp_path)), "task": "text_classification", "data": {"train": rows(16)}}
    training = {"batch_size": 8, "precision": "float32"}
    found = [find_rate(recipe_from({**told, "training": {**training, **own}}), print) for own in ({}, {"head_rate": 1e-3})]
    assert found[0] == found[1]
