"""What every strategy and observer must do, found by file name: train, repeat, resume bitwise alone and in pairs, be neutral at zero."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from training import same, tiny_fit, weights
from tunesmith.core.clock import Span
from tunesmith.core.errors import InputError
from tunesmith.core.strategy import Strategy
from tunesmith.engine.events import read_events
from tunesmith.recipes.find import find, names

NAMES = names("strategies")
PAIRS = list(itertools.permutations(NAMES, 2))
SAMPLE = 24  # pairs in the quick run; which ones changes with the commit, so that all are covered over time

# The setting at which a strategy must leave training as it is, to the last bit.
NEUTRAL: dict[str, dict[str, Any]] = {
    "augment": {"share": 0.0},
    "balance": {"power": 1.0},
    "consistency": {"strength": 0.0},
    "coral": {"strength": 0.0},
    "cutoff": {"rate": 0.0},
    "domain_adversarial": {"strength": 0.0},
    "importance_weighting": {"flatten": 0.0},
    "mask_augment": {"share": 0.0},
    "mixup": {"alpha": 0.0},
    "mmd": {"strength": 0.0},
    "self_training": {"ratio": 0.0},
    "auto_freeze": {"percentile": 0.0},
    "class_balanced": {"beta": 0.0},
    "clip": {"norm": 1e9},
    "curriculum": {"start": 1.0},
    "distil": {"mix": 0.0},
    "dropout": {"rate": 0.1},  # what the tiny model has
    "ewc": {"strength": 0.0},
    "fgm": {"strength": 0.0},
    "focal": {"gamma": 0.0},
    "freelb": {"radius": 0.0},
    "freeze": {"layers": 0},
    "gem": {"num_rows": 0},
    "gradient_noise": {"eta": 0.0},
    "kl_to_base": {"strength": 0.0},
    "l1": {"strength": 0.0},
    "l2": {"strength": 0.0},
    "l2sp": {"strength": 0.0, "head_strength": 0.0},
    "label_smoothing": {"strength": 0.0},
    "layer_rates": {"decay": 1.0},
    "lookahead": {"num_steps": 1, "alpha": 1.0},
    "lwf": {"strength": 0.0},
    "mixout": {"rate": 0.0},
    "neftune": {"alpha": 0.0},
    "pretrain_loss": {"strength": 0.0},
    "probe": {"until": Span(0, "st")},
    "r_drop": {"strength": 0.0},
    "re_init": {"layers": 0, "pooler": False},
    "replay": {"share": 0.0},
    "sam": {"rho": 0.0},
    "si": {"strength": 0.0},
    "smart": {"strength": 0.0, "proximal": 0.0},
    "swa": {"start": Span(100, "%")},
    "ema": {"decay": 0.0},
}
CHANGES_BY_BEING_THERE = {
    *("adapter", "adaptive", "bitfit", "chain_thaw", "dataset_map", "early_stop", "layer_norm", "lora", "p_tuning"),
    *("peft", "prefix", "prompt", "schedule_free", "surgical", "thaw", "unfreeze"),
}


def example(name: str) -> Any:
    return find("strategies", name).example()


def events(folder: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in event.items() if key != "time"} for event in read_events(folder / "events.jsonl")]


def check_resume(folder: Path, *strategies: str) -> None:
    """Train through; then from the checkpoint at step 4 alone; weights and events must be equal."""
    through = tiny_fit(folder / "through", [example(name) for name in strategies])
    (folder / "resumed" / "checkpoints").mkdir(parents=True)
    at = "checkpoints/step-00000004"
    shutil.copytree(folder / "through" / at, folder / "resumed" / at)
    shutil.copy(folder / "through" / "events.jsonl", folder / "resumed" / "events.jsonl")
    resumed = tiny_fit(folder / "resumed", [example(name) for name in strategies])
    assert resumed.run.clock == through.run.clock
    assert same(weights(resumed), weights(through))
    assert events(folder / "resumed") == events(folder / "through")


def sampled() -> list[tuple[str, str]]:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent).stdout
    return sorted(PAIRS, key=lambda pair: hashlib.sha256((commit + repr(pair)).encode()).digest())[:SAMPLE]


@pytest.mark.parametrize("name", NAMES)
def test_trains_and_changes_the_model(name: str) -> None:
    before, after = tiny_fit(None, steps=1, learning_rate=1e-30), tiny_fit(None, [example(name)])
    assert after.run.clock.step > 1
    shared = weights(before).keys() & weights(after).keys()
    assert any(not weights(before)[key].equal(weights(after)[key]) for key in shared) or len(after.run.touched) > 0
    assert after.run.evaluations


@pytest.mark.parametrize("name", NAMES)
def test_repeats_to_the_last_bit(name: str) -> None:
    assert same(weights(tiny_fit(None, [example(name)])), weights(tiny_fit(None, [example(name)])))


@pytest.mark.parametrize("name", NAMES)
def test_resumes_to_the_last_bit(name: str, tmp_path: Path) -> None:
    check_resume(tmp_path, name)


def compose(folder: Path, pair: tuple[str, str]) -> None:
    """A pair either is refused before any work, naming both, or trains and resumes to the last bit."""
    strategies = [example(name) for name in pair]
    owned = [getattr(strategy, "owns", frozenset()) for strategy in strategies]
    if owned[0] & owned[1]:
        with pytest.raises(InputError, match=f"'{pair[0]}' and '{pair[1]}'"):
            tiny_fit(None, strategies, steps=1)
        return
    check_resume(folder, *pair)


@pytest.mark.parametrize("pair", sampled(), ids="-".join)
def test_pairs_compose(pair: tuple[str, str], tmp_path: Path) -> None:
    compose(tmp_path, pair)


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_all_pairs_compose(pair: tuple[str, str], tmp_path: Path) -> None:
    compose(tmp_path, pair)


def test_every_strategy_has_a_neutral_setting_or_says_why_not() -> None:
    assert sorted([*NEUTRAL, *CHANGES_BY_BEING_THERE]) == NAMES


@pytest.mark.parametrize("name", NEUTRAL)
def test_neutral_setting_equals_the_baseline(name: str) -> None:
    neutral = find("strategies", name)(**NEUTRAL[name])
    assert isinstance(neutral, Strategy)
    assert same(weights(tiny_fit(None, [neutral])), weights(tiny_fit(None)))


@pytest.mark.parametrize("name", NAMES)
def test_example_is_not_the_baseline(name: str) -> None:
    """A strategy that changes nothing would pass every other test."""
    with_it, without = tiny_fit(None, [example(name)], steps=6), tiny_fit(None, steps=6)
    stopped = with_it.run.clock.step < without.run.clock.step
    # Here nothing stops a run of 6 steps, and the two classes are of one size.
    without_effect = {"early_stop", "dataset_map", "class_balanced"}
    assert stopped or not same(weights(with_it), weights(without)) or name in without_effect
