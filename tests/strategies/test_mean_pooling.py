"""Mean pooling: a layer more, which stays what it is while the others learn."""

from __future__ import annotations

from pathlib import Path

import pytest

from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.engine.events import read_events
from tunesmith.model.backbone import layers
from tunesmith.model.mean_layer import ends_in_mean
from tunesmith.strategies.mean_pooling import MeanPooling
from tunesmith.strategies.pretrain_loss import PretrainLoss
from tunesmith.strategies.re_init import ReInit


def test_the_layers_below_learn_and_the_layer_does_not() -> None:
    fitted = tiny_fit(None, [MeanPooling()])
    module = fitted.model.module
    assert ends_in_mean(module)
    assert len(layers(module)) == module.config.num_hidden_layers - 1
    fixed = {name for name in fitted.run.params if name in fitted.run.fixed}
    assert fixed
    assert not fixed & fitted.run.touched
    assert {param.depth for name, param in fitted.run.params.items() if name in fitted.run.touched} >= set(
        range(1, len(layers(module)) + 2)
    )


def test_words_are_not_asked_for_behind_it() -> None:
    with pytest.raises(InputError, match="the last state of each token"):
        tiny_fit(None, [MeanPooling(), PretrainLoss()])


def test_it_says_how(tmp_path: Path) -> None:
    tiny_fit(tmp_path, [MeanPooling()])
    said = str(read_events(tmp_path / "events.jsonl"))
    assert "mean_pooling: the head reads the mean of all states of a text, by a layer that is added" in said


def test_what_draws_the_top_layer_anew_is_refused() -> None:
    with pytest.raises(InputError, match="mean_pooling"):
        tiny_fit(None, [MeanPooling(), ReInit()])
