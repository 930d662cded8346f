"""GEM: projections by hand and against a dense solution, and that a step never raises the loss on the past to first order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.data.encode import Encoded
from tunesmith.strategies.fgm import FGM
from tunesmith.strategies.freelb import FreeLB
from tunesmith.strategies.gem import GEM, dot, multiples

Inner = Callable[[Sequence[Batch]], Loss]


def test_one_reference_is_the_projection_of_a_gem() -> None:
    g, r = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.5, 1.0, 1.0])
    (share,) = multiples([g], [[r]])
    assert share == pytest.approx(-float(g @ r) / float(r @ r))
    assert float((g + share * r) @ r) == pytest.approx(0, abs=1e-6)


def test_a_gradient_that_harms_nothing_stays() -> None:
    g = torch.tensor([1.0, 2.0])
    assert multiples([g], [[torch.tensor([1.0, 0.0])], [torch.tensor([0.0, 3.0])]]) == [0.0, 0.0]


@pytest.mark.parametrize("seed", range(5))
def test_several_references_give_the_nearest_gradient_that_harms_none(seed: int) -> None:
    """The best of the projections onto every set of constraints that are tight."""
    generator = torch.Generator().manual_seed(seed)
    g, references = torch.randn(6, generator=generator), torch.randn(3, 6, generator=generator)
    shares = multiples([g], [[r] for r in references])
    found = g + torch.tensor(shares, dtype=torch.float32) @ references
    assert (references @ found >= -1e-4).all()
    candidates = []
    for size in range(4):
        for tight in itertools.combinations(range(3), size):
            rows = references[list(tight)].double()
            inside = g.double() - rows.T @ torch.linalg.pinv(rows.T) @ g.double() if tight else g.double()
            if (references.double() @ inside >= -1e-9).all():
                candidates.append(float((inside - g).norm()))
    assert float((found - g).norm()) == pytest.approx(min(candidates), abs=1e-4)


def test_gradients_in_parts_are_one_vector() -> None:
    assert dot([torch.ones(2), torch.ones(1)], [torch.tensor([1.0, 2.0]), torch.tensor([3.0])]) == 6.0


@pytest.mark.parametrize("constraints", ["average", "each"])
def test_only_rows_that_are_kept_are_decoded(run: Run, monkeypatch: pytest.MonkeyPatch, constraints: str) -> None:
    parts = [Encoded([[{"label": 100 * part + row} for row in range(50)]]) for part in range(2)]
    monkeypatch.setattr("tunesmith.strategies.gem.past_items", lambda *_: parts)
    decoded, decode = [], Encoded.__getitem__
    monkeypatch.setattr(Encoded, "__getitem__", lambda self, index: decoded.append(index) or decode(self, index))
    strategy = GEM(constraints=constraints, memory_rows=7)
    strategy.begin(run)
    labels = [[item["label"] for item in part] for part in strategy._parts]
    assert len(decoded) == sum(map(len, labels)) == (7 if constraints == "average" else 14)
    assert labels == [sorted(set(part)) for part in labels]
    assert {label // 100 for part in labels for label in part} == {0, 1}


@pytest.mark.parametrize("constraints", ["average", "each"])
def test_a_step_does_not_raise_the_loss_on_the_past(run: Run, batch: Batch, backward: Inner, constraints: str) -> None:
    """The past are the same texts with other labels: whatever the new ones ask for, the past forbids, to first order."""

    texts = batch.inputs

    def collate(features: list[dict[str, Any]], tokenizer: Any) -> Batch:
        labels = torch.tensor([feature["label"] for feature in features])
        return Batch(texts, {"labels": labels}, torch.arange(5), 15)

    run.task = SimpleNamespace(collate=collate)  # type: ignore[assignment]
    parts = [[{"label": label} for label in labels] for labels in ([0, 0, 0, 0, 0], [1, 1, 1, 1, 1])]  # of which most are wrong
    strategy = GEM(num_rows=5, constraints=constraints)
    strategy._parts = parts if constraints == "each" else parts[:1]
    batch = collate([{"label": 2}] * 5, None)

    def gradient(of: Batch) -> list[torch.Tensor]:
        backward([of])
        return [w.grad.clone() for w in run.model.parameters() if w.grad is not None]

    past = [gradient(collate(part, None)) for part in strategy._parts]
    plain = gradient(batch)
    strategy.gradient([batch], run, backward)
    held = [w.grad for w in run.model.parameters() if w.grad is not None]
    assert min(dot(plain, one) for one in past) < 0
    assert min(dot(held, one) for one in past) > -1e-6


@pytest.mark.parametrize("strategy", [FGM(), FreeLB()])
def test_adversaries_leave_the_rows_of_the_past_alone(run: Run, batch: Batch, around: Any, strategy: FGM | FreeLB) -> None:
    """They have other lengths than those of the step, and come within each of its passes."""
    strategy.begin(run)
    past = Batch({"ids": batch.inputs["ids"][:2, :2]}, {"labels": batch.targets["labels"][:2]}, batch.rows[:2], 4)
    inner, seen = around(strategy), []

    def both(batches: Sequence[Batch]) -> Loss:
        seen.append(inner([past]).mean.item())
        return inner(batches)

    strategy.gradient([replace(batch, micro=0)], run, both)
    assert len(seen) > 1
    assert len(set(seen)) == 1
