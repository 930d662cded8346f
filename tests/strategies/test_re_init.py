"""Re-initialisation: the top starts as its family starts, the rest stays, in several families."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import tiny
from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.model.backbone import layers
from tunesmith.model.build import Head, build
from tunesmith.strategies.re_init import ReInit


def moved(family: str) -> nn.Module:
    """A model whose weights are far from how they start."""
    model = tiny.base(family)
    with torch.no_grad():
        for w in model.parameters():
            w.add_(3.0)
    return model


@pytest.mark.parametrize(
    "family", ["bert", "roberta", "distilbert", "electra", "gpt2", "llama", "modernbert", "deberta", "t5", "bart", "vit"]
)
def test_the_top_layer_starts_as_it_does_before_pre_training(family: str) -> None:
    model = moved(family)
    before = {name: w.detach().clone() for name, w in model.named_parameters()}
    top = {id(w) for w in layers(model)[-1].parameters()}
    ReInit(layers=1, pooler=False).adapt(model)
    fresh = dict(tiny.base(family, seed=7).named_parameters())
    for name, w in model.named_parameters():
        if id(w) not in top:
            assert torch.equal(w, before[name]), name
        elif w.dim() == 1:
            assert torch.equal(w, fresh[name]), name  # a bias or a norm
        else:
            assert float(w.detach().std()) == pytest.approx(float(fresh[name].detach().std()), rel=0.3), name
            assert abs(float(w.detach().mean())) < 0.2 * float(w.detach().std()), name


def test_gpt2_scales_the_layers_that_write_into_the_residual_stream() -> None:
    model = ReInit().adapt(moved("gpt2"))
    top = layers(model)[-1]
    assert float(top.mlp.c_proj.weight.detach().std()) == pytest.approx(0.02 / (2 * 3) ** 0.5, rel=0.15)
    assert float(top.mlp.c_fc.weight.detach().std()) == pytest.approx(0.02, rel=0.15)


def test_loaded_weights_and_the_pooler_start_anew(tmp_path: Path) -> None:
    model = build(str(tiny.folder(tmp_path)), Head("AutoModelForSequenceClassification", {"num_labels": 2})).module
    before = {name: w.detach().clone() for name, w in model.named_parameters()}
    ReInit(layers=2).adapt(model)
    changed = {name for name, w in model.named_parameters() if w.dim() > 1 and not torch.equal(w, before[name])}
    assert changed == {
        name
        for name, w in before.items()
        if w.dim() > 1 and name.startswith(("bert.encoder.layer.1", "bert.encoder.layer.2", "bert.pooler"))
    }


def test_more_layers_than_there_are_are_refused() -> None:
    with pytest.raises(InputError, match=r"4 layers cannot start anew, the model has 3\. Give 0 to 3"):
        ReInit(layers=4).adapt(tiny.bert())


def test_nothing_and_no_pooler_are_told() -> None:
    told: list[str] = []
    for strategy in (ReInit(layers=0, pooler=False), ReInit(layers=0)):
        strategy.adapt(tiny.base("distilbert"))
        fitted = tiny_fit(None, steps=1)
        fitted.run.say = told.append
        strategy.begin(fitted.run)
    assert told == ["re_init: nothing starts anew; give layers", "re_init: the model has no pooler"]


def test_what_starts_anew_and_is_frozen_is_told() -> None:
    told: list[str] = []
    run = tiny_fit(None, steps=1).run
    run.say, run.clock = told.append, run.clock.at(0)
    strategy = ReInit()
    strategy.adapt(run.model)
    strategy.step(run, lambda: None)
    layers(run.model)[-1].requires_grad_(False)
    strategy.step(run, lambda: None)
    run.clock = run.clock.at(1)
    strategy.step(run, lambda: None)
    assert ["freeze less" in text for text in told] == [True]


def test_zero_layers_leave_the_model_alone() -> None:
    model = ReInit(layers=0, pooler=False).adapt(tiny.bert())
    assert all(torch.equal(w, other) for w, other in zip(model.parameters(), tiny.bert().parameters(), strict=True))
