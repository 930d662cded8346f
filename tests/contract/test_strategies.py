"""What every strategy and observer must do, found by file name: train, repeat, resume bitwise alone and in pairs, be neutral at zero."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from training import FITS, SGD, TRAINING, fitting, mixed_fit, same, sampled, tiny_fit, weights
from tunesmith.core.clock import Span
from tunesmith.core.errors import InputError
from tunesmith.core.strategy import Strategy
from tunesmith.engine.events import read_events
from tunesmith.engine.loop import Fitted
from tunesmith.engine.of_task import is_for_one
from tunesmith.model import embedding
from tunesmith.recipes.find import find, names
from tunesmith.samples.fetch import cache as samples_cache

NAMES = names("strategies")
PAIRS = list(itertools.permutations(NAMES, 2))
SAMPLE = 16  # pairs in the quick run; which ones changes with the commit, so that all are covered over time

# The setting at which a strategy must leave training as it is, to the last bit.
NEUTRAL: dict[str, dict[str, Any]] = {
    "adversarial_debiasing": {"strength": 0.0},
    "augment": {"share": 0.0},
    "back_translation": {"share": 0.0},
    "balance": {"power": 1.0},
    "blend": {"first": {}, "last": {}},
    "consistency": {"strength": 0.0},
    "coral": {"strength": 0.0},
    "cutoff": {"rate": 0.0},
    "domain_adversarial": {"strength": 0.0},
    "importance_weighting": {"flatten": 0.0},
    "maml": {"num_steps": 0},
    "mask_augment": {"share": 0.0},
    "mixup": {"alpha": 0.0},
    "paraphrase": {"share": 0.0},
    "mmd": {"strength": 0.0},
    "self_training": {"ratio": 0.0},
    "auto_freeze": {"percentile": 0.0},
    "class_balanced": {"beta": 0.0},
    "clip": {"norm": 1e9},
    "curriculum": {"start": 1.0},
    "distil": {"mix": 0.0},
    "dropout": {"rate": 0.1},  # what the tiny model has
    "ewc": {"strength": 0.0},
    "fairness": {"strength": 0.0},
    "few_shot": {"until": Span(0, "st")},
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
    "image_augment": {"mirror": 0.0, "smallest": 1.0, "colour": 0.0},
    "label_smoothing": {"strength": 0.0},
    "last_layer": {"strength": 0.0},
    "layer_rates": {"decay": 1.0},
    "lookahead": {"num_steps": 1, "alpha": 1.0},
    "lwf": {"strength": 0.0},
    "mixout": {"rate": 0.0},
    "nearest_neighbours": {"strength": 0.0},
    "neftune": {"alpha": 0.0},
    "pretrain_loss": {"strength": 0.0},
    "probe": {"until": Span(0, "st")},
    "r_drop": {"strength": 0.0},
    "re_init": {"layers": 0, "pooler": False},
    "replay": {"share": 0.0},
    "reptile": {"num_steps": 1},
    "sam": {"rho": 0.0},
    "si": {"strength": 0.0},
    "similar": {"num_rows": 0},
    "smart": {"strength": 0.0, "proximal": 0.0},
    "swa": {"start": Span(100, "%")},
    "ema": {"decay": 0.0},
}
CHANGES_BY_BEING_THERE = {
    *("adapter", "adaptive", "bitfit", "chain_thaw", "dataset_map", "early_stop", "layer_norm", "lora", "p_tuning"),
    *("famo", "grad_norm", "group_dro", "pcgrad", "policy_gradient", "uncertainty"),
    *("mean_pooling", "peft", "prefix", "prompt", "qlora", "schedule_free", "surgical", "thaw", "unfreeze"),
}


# Settings of examples that name a model that writes; a tiny one, which writes by chance, takes its place.
WRITING = {"back_translation": ("there", "back"), "paraphrase": ("model",)}


def example(name: str) -> Any:
    found = find("strategies", name).example()
    return replace(found, share=1.0, stretch=50.0, **dict.fromkeys(WRITING[name], written())) if name in WRITING else found


@cache
def written() -> str:
    """The folder of a tiny model that writes, beside what it writes."""
    return str(tiny.writer(samples_cache()))


# What draws a number for each weight that learns, or pulls on each, does so with fewer where fewer learn.
FOR_EVERY_WEIGHT = {"gradient_noise", "l1", "l2", "mixout"}


def events(folder: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in event.items() if key != "time"} for event in read_events(folder / "events.jsonl")]


def check_resume(folder: Path, *strategies: str) -> Fitted:
    """Train through; then from the checkpoint at step 4 alone; weights and events must be equal. Returns the whole run."""
    through = tiny_fit(folder / "through", [example(name) for name in strategies])
    (folder / "resumed" / "checkpoints").mkdir(parents=True)
    at = "checkpoints/step-00000004"
    shutil.copytree(folder / "through" / at, folder / "resumed" / at)
    shutil.copy(folder / "through" / "events.jsonl", folder / "resumed" / "events.jsonl")
    resumed = tiny_fit(folder / "resumed", [example(name) for name in strategies])
    assert resumed.run.clock == through.run.clock
    assert same(weights(resumed), weights(through))
    assert events(folder / "resumed") == events(folder / "through")
    return through


@cache
def baseline(*needs: str) -> dict[str, Tensor]:
    """What the same run, of the task that ``needs`` asks for, makes of the weights without any strategy."""
    return weights((FITS[needs[0]] if needs else tiny_fit)(None))


@pytest.mark.parametrize("name", NAMES)
def test_trains_resumes_and_repeats_to_the_last_bit(name: str, tmp_path: Path) -> None:
    through = check_resume(tmp_path, name)
    assert through.run.clock.step > 1
    assert through.run.touched
    assert through.run.evaluations
    assert same(weights(through), weights(tiny_fit(None, [example(name)])))
    stopped = through.run.clock.step < TRAINING.steps  # type: ignore[operator]
    # A strategy that changes nothing would pass everything else. Here nothing stops a run of 6 steps, and the classes are of one size.
    without_effect = {"early_stop", "dataset_map", "class_balanced", "nearest_neighbours"}
    assert stopped or not same(weights(through), baseline(*fitting([example(name)]))) or name in without_effect


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_trains_the_same_weights_from_nearly_the_same_losses(name: str, tmp_path: Path) -> None:
    first: list[float] = []
    for precision in ("float32", "bfloat16"):
        found = tiny_fit(tmp_path / precision, [example(name)], precision=precision, steps=3)
        assert all(weight.isfinite().all() for weight in weights(found).values())
        assert not any(weight.dtype == torch.bfloat16 for weight in found.run.model.parameters() if weight.requires_grad)
        assert found.run.evaluations
        first += [event["loss"] for event in events(tmp_path / precision) if event["event"] == "step"][:1]
    assert first[1] == pytest.approx(first[0], rel=0.05, abs=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_the_tokens_of_the_data_learn_as_if_all_did(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large table of embeddings only the rows of the data's tokens learn on a CPU, which no strategy may notice."""
    told: dict[str, Any] = {**SGD, "weight_decay": 0.0, "steps": 3}
    plain = weights(tiny_fit(None, [example(name)], **told))
    monkeypatch.setattr(embedding, "LARGE", 1000)
    ours = weights(tiny_fit(None, [example(name)], **told))
    assert plain.keys() == ours.keys()
    for weight, value in plain.items() if name not in FOR_EVERY_WEIGHT else ():
        torch.testing.assert_close(ours[weight], value, rtol=1e-4, atol=1e-5)


def compose(folder: Path, pair: tuple[str, str]) -> None:
    """A pair either is refused before any work, naming both, or trains and resumes to the last bit."""
    strategies = [example(name) for name in pair]
    owned = [getattr(strategy, "owns", frozenset()) for strategy in strategies]
    if owned[0] & owned[1]:
        with pytest.raises(InputError, match=f"'{pair[0]}' and '{pair[1]}'"):
            tiny_fit(None, strategies, steps=1)
        return
    if fitting(strategies[:1]) != fitting(strategies[1:]):
        try:
            tiny_fit(None, strategies, steps=1)
        except InputError:  # it looks at logits, reads rows of its own or orders them, or at texts: the business of another task
            return
    check_resume(folder, *pair)


@pytest.mark.parametrize("pair", sampled(PAIRS, SAMPLE), ids="-".join)
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
    assert same(weights(tiny_fit(None, [neutral])), baseline(*fitting([neutral])))


OF_ONE_TASK = [name for name in NAMES if isinstance(example(name), Strategy) and is_for_one(example(name)) and not fitting([example(name)])]


@cache
def mixed_baseline() -> dict[str, Tensor]:
    return weights(mixed_fit(None, own={"texts": []}, batch_size=8))


@pytest.mark.parametrize("name", OF_ONE_TASK)
def test_as_a_strategy_of_one_task_it_changes_that_one_and_resumes_to_the_last_bit(name: str, tmp_path: Path) -> None:
    through = mixed_fit(tmp_path / "through", own={"texts": [example(name)]}, batch_size=8)
    (tmp_path / "resumed" / "checkpoints").mkdir(parents=True)
    at = "checkpoints/step-00000004"
    shutil.copytree(tmp_path / "through" / at, tmp_path / "resumed" / at)
    resumed = mixed_fit(tmp_path / "resumed", own={"texts": [example(name)]}, batch_size=8)
    assert same(weights(resumed), weights(through))
    assert not same(weights(through), mixed_baseline()) or name == "class_balanced"  # the classes are of one size


@pytest.mark.parametrize("name", [name for name in OF_ONE_TASK if name in NEUTRAL])
def test_as_a_strategy_of_one_task_its_neutral_setting_equals_the_baseline(name: str) -> None:
    assert same(weights(mixed_fit(None, own={"texts": [find("strategies", name)(**NEUTRAL[name])]}, batch_size=8)), mixed_baseline())
