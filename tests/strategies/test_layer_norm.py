"""LayerNorm tuning: only norms and the head learn."""

from __future__ import annotations

import pytest

from training import tiny_fit, weights
from tunesmith.core.errors import InputError
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.strategies.layer_norm import LayerNorm


def test_norms_and_the_head_learn(run: Run) -> None:
    learning = {name for name, param in run.params.items() if LayerNorm().plan(param, Rule(), run.clock).learns}
    assert learning == {name for name, param in run.params.items() if param.kind in ("norm", "head")}
    assert {run.params[name].kind for name in learning} == {"norm", "head"}


def test_nothing_else_changes_in_a_run() -> None:
    before, after = weights(tiny_fit(None, [LayerNorm()], steps=1, learning_rate=1e-30)), weights(tiny_fit(None, [LayerNorm()]))
    changed = {name for name in before if not before[name].equal(after[name])}
    assert any("LayerNorm" in name for name in changed)
    assert all("LayerNorm" in name or "classifier" in name or "pooler" in name for name in changed)


def test_a_model_without_norms_is_refused(run: Run) -> None:
    run.params = {name: param for name, param in run.params.items() if param.kind != "norm"}
    with pytest.raises(InputError, match="no normalisation layers"):
        LayerNorm().begin(run)
