"""L2-SP: its gradient is strength * (w - start) for the body and head_strength * w for the head."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.strategies.l2sp import L2SP, squared_distance

Inner = Callable[[Batch], Loss]


def gradients(run: Run, loss: Loss) -> dict[str, torch.Tensor]:
    names, weights = zip(*run.learning().items(), strict=True)
    found = torch.autograd.grad(loss.sum / loss.count, weights, allow_unused=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))


def moved(strategy: L2SP, run: Run, batch: Batch, inner: Inner) -> dict[str, torch.Tensor]:
    """Begin, then move every weight away from its start; returns the starts."""
    strategy.begin(run)
    strategy.loss(batch, run, inner)
    start = {name: w.detach().clone() for name, w in run.model.named_parameters()}
    with torch.no_grad():
        for w in run.model.parameters():
            w.add_(torch.randn_like(w))
    return start


def test_the_gradient_is_that_of_the_formula(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()  # no dropout: the same objective twice
    strategy = L2SP(strength=0.3, head_strength=0.2)
    start = moved(strategy, run, batch, objective)
    plain, penalised = gradients(run, objective(batch)), gradients(run, strategy.loss(batch, run, objective))
    for name, w in run.learning().items():
        pull = 0.2 * w if name.startswith("classifier") else 0.3 * (w - start[name])
        torch.testing.assert_close(penalised[name] - plain[name], pull.detach(), atol=1e-6, rtol=1e-5)


def test_the_penalty_is_one_for_the_step_however_it_is_split(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    strategy = L2SP(strength=0.3)
    moved(strategy, run, batch, objective)
    pieces = [
        Batch({"ids": batch.inputs["ids"][rows]}, {"labels": batch.targets["labels"][rows]}, batch.rows[rows], 3)
        for rows in ([0, 1, 2, 3], [4])
    ]
    whole, split = strategy.loss(batch, run, objective), [strategy.loss(piece, run, objective) for piece in pieces]
    torch.testing.assert_close(sum(part.sum for part in split), whole.sum)
    torch.testing.assert_close(sum(part.parts["l2sp"] for part in split), whole.parts["l2sp"])


def test_zero_strengths_return_the_very_loss(run: Run, batch: Batch, objective: Inner) -> None:
    loss = objective(batch)
    strategy = L2SP(strength=0.0, head_strength=0.0)
    strategy.begin(run)
    assert strategy.loss(batch, run, lambda batch: loss) is loss
    assert strategy.memory() == {"start": {}}


def test_a_weight_that_is_unfrozen_late_starts_where_it_stands(run: Run, batch: Batch, objective: Inner) -> None:
    strategy = L2SP()
    strategy.begin(run)
    late = run.model.get_parameter("layers.0.mlp.weight").requires_grad_(False)
    strategy.loss(batch, run, objective)
    assert "layers.0.mlp.weight" not in strategy.start
    late.requires_grad_(True)
    strategy.loss(batch, run, objective)
    torch.testing.assert_close(strategy.start["layers.0.mlp.weight"], late.detach())


def test_memory_survives_a_resume_and_a_new_run_begins_afresh(run: Run, batch: Batch, objective: Inner) -> None:
    strategy = L2SP()
    start = moved(strategy, run, batch, objective)
    resumed = L2SP()
    resumed.begin(run)
    resumed.recall(strategy.memory())
    resumed.loss(batch, run, objective)
    torch.testing.assert_close(resumed.start["embeddings.weight"], start["embeddings.weight"])
    strategy.begin(run)
    assert not strategy.start


def test_it_takes_the_place_of_weight_decay_where_it_acts(run: Run) -> None:
    body, head = run.params["layers.0.mlp.weight"], run.params["classifier.weight"]
    decays = [
        [strategy.plan(param, Rule(), run.clock).decay for param in (body, head)] for strategy in (L2SP(), L2SP(0.1, 0.0), L2SP(0.0, 0.1))
    ]
    assert decays == [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    assert L2SP(0.0, 0.0).plan(body, Rule(), run.clock) == Rule()


def test_squared_distance_of_nothing_is_zero() -> None:
    assert float(squared_distance([])) == 0
    assert float(squared_distance([(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))])) == 5
