"""Adapters: what learns, the base untouched to the last bit, whole runs that load again, and each kind's place."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import tiny
from runs import TRAINING, rows
from training import tiny_fit
from tunesmith import load, train
from tunesmith.core.clock import Clock
from tunesmith.core.param import Rule
from tunesmith.core.strategy import Strategy
from tunesmith.model.backbone import describe
from tunesmith.model.bottleneck import bottlenecks, without
from tunesmith.model.save import digest
from tunesmith.strategies.adapter import KINDS, Adapter
from tunesmith.strategies.lora import LoRA
from tunesmith.strategies.prefix import Prefix


def learning(strategy: Strategy, model: nn.Module) -> set[str]:
    before = {name for name, _ in model.named_parameters()}
    params = describe(strategy.adapt(model), before)
    return {name for name, param in params.items() if strategy.plan(param, Rule(), Clock(0, 10, 10)).learns}


@pytest.mark.parametrize("kind", KINDS)
def test_bottlenecks_and_head_learn_and_nothing_else(kind: str) -> None:
    names = learning(Adapter(kind=kind, size=4), tiny.bert())
    assert {name.split(".")[-3] for name in names if name.startswith("bert.encoder")} == {"bottleneck"}
    assert {name for name in names if not name.startswith("bert.encoder")} == {
        *("classifier.weight", "classifier.bias"),
        *("bert.pooler.dense.weight", "bert.pooler.dense.bias"),
    }


def test_norms_learn_where_asked() -> None:
    names = learning(Adapter(size=4, norms=True), tiny.bert())
    assert "bert.encoder.layer.0.output.LayerNorm.weight" in names


def test_kinds_and_scales() -> None:
    counts = {}
    for kind in KINDS:
        found = list(bottlenecks(Adapter(kind=kind, size=4).adapt(tiny.bert())).values())
        counts[kind] = (len(found), found[0].placement.parallel, found[0].placement.scale)
    assert counts == {"houlsby": (6, False, 1.0), "pfeiffer": (3, False, 1.0), "parallel": (3, True, 4.0)}
    found = list(bottlenecks(Adapter(kind="parallel", scale=2.0).adapt(tiny.bert())).values())
    assert found[0].placement.scale == 2.0


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("strategy", [Adapter(size=4), LoRA(rank=2), Prefix(tokens=2)], ids=lambda strategy: type(strategy).__name__)
def test_the_base_is_untouched_to_the_last_bit(strategy: Strategy) -> None:
    """Digests of the encoder's own weights, under their own names, before and after training."""
    expected = digest(tiny.bert().bert.encoder)
    module = tiny_fit(None, [strategy]).model.module
    if isinstance(strategy, LoRA):
        module = module.unload()  # takes the adapter away, and folds nothing
    elif isinstance(strategy, Prefix):
        module = module.get_base_model()
    with without(module):
        assert digest(module.bert.encoder) == expected


@pytest.mark.parametrize("kind", ["houlsby", "parallel"])
def test_a_run_ships_what_it_judged(kind: str, tmp_path: Path) -> None:
    report = train(
        model=str(tiny.folder(tmp_path)),
        task="text_classification",
        data={"train": rows()},
        strategies=[{"adapter": {"kind": kind, "size": 8}}],
        training={**TRAINING, "epochs": 1},
        baselines=False,
        runs=tmp_path / "runs",
    )
    tuned = load(report.folder)
    assert bottlenecks(tuned.model.module)
    given = [row["text"] for row in rows()]
    assert tuned.evaluate(rows())["log_loss"] != pytest.approx(plain_loss(tuned), abs=1e-6)
    assert len(tuned.predict(given)) == 40
    assert "With transformers" not in (report.folder / "README.md").read_text(encoding="utf-8")


def plain_loss(tuned: object) -> float:
    with without(tuned.model.module), torch.no_grad():  # type: ignore[attr-defined]
        return float(tuned.evaluate(rows())["log_loss"])  # type: ignore[attr-defined]
