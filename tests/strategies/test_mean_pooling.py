"""Mean pooling: a layer more, which stays what it is while the others learn."""

from __future__ import annotations

from pathlib import Path

import pytest

from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.engine.events import read_events
from tunesmith.model.backbone import layers
from tunesmith.model.mean_layer import gives_mean
from tunesmith.strategies.mean_pooling import MeanPooling
from tunesmith.strategies.re_init import ReInit


def test_the_layers_below_learn_and_the_layer_does_not() -> None:
    plain, fitted = tiny_fit(None), tiny_fit(None, [MeanPooling()])
    found = layers(fitted.model.module)
    assert len(found) == len(layers(plain.model.module)) + 1
    assert gives_mean(found[-1])
    learned = fitted.run.touched
    assert not any(fitted.run.params[name].depth == len(found) for name in learned)
    assert any(fitted.run.params[name].depth == len(found) - 1 for name in learned)


def test_it_says_how(tmp_path: Path) -> None:
    tiny_fit(tmp_path, [MeanPooling()])
    said = str(read_events(tmp_path / "events.jsonl"))
    assert "mean_pooling: the head reads the mean of all states of a text, by a layer that is added" in said


def test_what_draws_the_top_layer_anew_is_refused() -> None:
    with pytest.raises(InputError, match="mean_pooling"):
        tiny_fit(None, [MeanPooling(), ReInit()])
