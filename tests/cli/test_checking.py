"""What is known before training: what the probe looks at, and how it is scaled to the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith import checking
from tunesmith.checking import Checked, Probe, check, estimate, size, spread, work
from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.param import Param, Rule
from tunesmith.engine.settings import Training
from tunesmith.recipes.recipe import read_recipe
from tunesmith.tasks.text_classification import TextClassification


def look(*overrides: str) -> Checked:
    return check(read_recipe("recipe.yaml", overrides), print)


def test_the_probe_sees_short_rows_and_the_longest() -> None:
    lengths = np.random.default_rng(0).permutation(np.arange(1, 10_001))
    rows = spread(lengths, 16)
    assert len(rows) == len(set(rows)) == 16 * (checking.PROBE_BATCHES + 1)
    assert lengths[rows].max() == 10_000
    timed = np.sort(lengths[rows])[:-16]
    assert timed.mean() == pytest.approx(lengths.mean(), rel=0.01)
    assert sorted(spread(lengths[:48], 16)) == list(range(48))


def params(*learning: str) -> tuple[dict[str, Param], dict[str, Rule]]:
    """Four layers of one weight each, embeddings below and a head above."""
    depths = {"embeddings": 0, "one": 1, "two": 2, "three": 3, "four": 4, "head": 5}
    found = {name: Param(name, (10,), depth, 4, "mlp") for name, depth in depths.items()}
    return found, {name: Rule(learns=name in learning) for name in found}


@pytest.mark.parametrize(
    ("learning", "expected"),
    [
        ((), 1),
        (("head",), 1),
        (("four", "head"), 1 + 0.25 + 0.25),
        (("one",), 1 + 1 + 0.25),
        (("embeddings", "one", "two", "three", "four", "head"), 3),
    ],
)
def test_work(learning: tuple[str, ...], expected: float) -> None:
    assert work(*params(*learning)) == pytest.approx(expected)


def test_rates_are_told_with_their_sources(here: Path) -> None:
    found = look("training.learning_rate=null").rates
    assert found.source.startswith("Devlin et al. 2019")
    assert (found.head, found.head_source) == (1e-3, "a linear model on fixed features")
    assert look("training.head_rate=1e-2").rates.head_source == "training.head_rate"


def test_what_decides_by_evaluations_says_nothing_while_there_are_none_yet(here: Path) -> None:
    assert not [line for line in look("strategies=[adaptive, thaw]").said if "evaluation" in line]
    for changes in (["strategies=[adaptive]"], ["strategies=[early_stop]"], ["training.schedule=reduce_on_plateau"]):
        with pytest.raises(InputError, match="decides by evaluations, and there are no validation rows"):
            look("data.validation=null", *changes)


def test_a_schedule_under_an_average_is_told(here: Path) -> None:
    assert [line for line in look("strategies=[schedule_free]").said if "linear lowers the rate too" in line]
    assert not [line for line in look("strategies=[schedule_free]", "training.schedule=constant").said if "schedule" in line]


def test_what_learns_costs(here: Path) -> None:
    whole, part = look("strategies=[]").cost, look("strategies.freeze.layers=3").cost
    assert whole.disk > part.disk
    assert whole.steps == part.steps == 14
    assert 0 < whole.seconds < 60
    assert whole.memory < whole.memory_here
    assert whole.warnings() == []


def probed(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> tuple[Training, Probe, int, float]:
    """What the estimate of a run is made of."""
    made: list[Any] = []
    monkeypatch.setattr(checking, "estimate", lambda *of: (made.append(of), estimate(*of))[1])
    look(*overrides)
    found: tuple[Training, Probe, int, float] = made[0]
    return found


def test_the_longest_rows_are_met_however_slow_the_steps_are(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "PROBE_SECONDS", 0.0)
    lines = [f"{'good' if i % 2 else 'bad'} {'film ' * (i // 2)},{'good' if i % 2 else 'bad'}" for i in range(48)]
    Path("reviews.csv").write_text("\n".join(["review,stars", *lines]), encoding="utf-8")
    met: list[int] = []
    collate = TextClassification.collate

    def noted(task: TextClassification, rows: list[dict[str, Any]], tokenizer: Any) -> Batch:
        met.extend(row["length"] for row in rows)
        return collate(task, rows, tokenizer)

    monkeypatch.setattr(TextClassification, "collate", noted)
    _, done, _, _ = probed(monkeypatch, "strategies=[]", "training.batch_size=4", "data.validation=null", "seed=7")
    assert sorted(met)[-4:] == np.sort(done.run.train.lengths)[-4:].tolist()


def test_judging_is_counted_and_the_base_comes_where_gradients_and_moments_were(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, done, tokens, judged = probed(monkeypatch, "strategies=[]")
    whole = sum(parameter.nbytes for parameter in done.run.model.parameters())
    judging = min(checking.TOKENS, tokens) * 32 * checking.JUDGING * checking.FLOAT
    for simple, beside in ((0, 3 * whole), (10**8, whole + 10**8)):
        monkeypatch.setattr(checking, "SIMPLE", simple)
        few, many = (estimate(training, replace(done, before=0, after=after), tokens, judged).memory for after in (0, 10**9))
        assert few == pytest.approx(judging + beside, rel=1e-2)
        assert many - few == pytest.approx(checking.GROWTH * 10**9, rel=1e-2)


def test_the_disk_that_a_run_takes(here: Path, done: Path) -> None:
    checkpoints = sum(path.stat().st_size for path in (done / "checkpoints").rglob("*.safetensors"))
    model = (done / "model" / "model.safetensors").stat().st_size
    assert look().cost.disk == pytest.approx(checkpoints + model, rel=0.2)


def test_layers_that_learn_later_are_foreseen(here: Path) -> None:
    recipe = Path("recipe.yaml").read_text()
    Path("recipe.yaml").write_text(recipe.replace("freeze: {layers: 1}", "unfreeze: {every: 1ep}"))
    late, soon = look("training.epochs=8"), look("training.epochs=1")
    assert [phase.first for phase in late.phases][:3] == [1, 8, 15]
    assert len(soon.phases) == 1
    assert late.cost.disk > 3 * soon.cost.disk


def test_size() -> None:
    assert size({"a": torch.zeros(3), "b": [torch.zeros(2, dtype=torch.int64), "text", {"c": torch.zeros(1)}]}) == 12 + 16 + 4


def test_what_does_not_suffice(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "memory_here", lambda: 1)
    assert look().cost.warnings() == ["The memory does not suffice: lower task.max_length or training.micro_batch, or freeze layers"]


def test_it_fails_as_training_would(here: Path) -> None:
    with pytest.raises(InputError, match="No parameter matches 'nothing'"):
        look("strategies=[{freeze: {patterns: [nothing]}}]")


def test_one_step(here: Path) -> None:
    cost = look("training.batch_size=1000", "training.epochs=1").cost
    assert (cost.steps, cost.seconds > 0) == (1, True)
