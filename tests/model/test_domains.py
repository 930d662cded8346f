"""Distances of features against plain arithmetic, the reversed gradient, and pooling that padding does not change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import tiny
from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.data.unlabelled import batch_of
from tunesmith.model.domains import (
    BANDWIDTHS,
    annealed,
    check_features,
    correlation_distance,
    covariance,
    judging,
    mean_discrepancy,
    pooled,
    reversed_gradient,
)
from tunesmith.strategies.coral import CORAL
from tunesmith.strategies.mmd import MMD


@pytest.fixture
def sets() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(5, 3, generator=generator), torch.randn(4, 3, generator=generator) + 1


def test_the_discrepancy_is_gretton_s_sum_over_pairs(sets: tuple[torch.Tensor, torch.Tensor]) -> None:
    source, target = (features.double().numpy() for features in sets)
    joined = np.concatenate([source, target])
    distances = [((x - y) ** 2).sum() for x in joined for y in joined]
    bandwidth = sum(distances) / (9 * 8)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.mean([np.exp(-((x - y) ** 2).sum() / (times * bandwidth)) for times in BANDWIDTHS]))

    def mean(one: list[np.ndarray], other: list[np.ndarray]) -> float:
        return float(np.mean([kernel(x, y) for x in one for y in other if x is not y]))

    one, other = list(source), list(target)
    expected = mean(one, one) + mean(other, other) - 2 * mean(one, other)
    assert float(mean_discrepancy(*sets)) == pytest.approx(expected, rel=1e-5)


def test_farther_sets_have_more_discrepancy_and_those_of_one_distribution_none_on_average(sets: tuple[torch.Tensor, torch.Tensor]) -> None:
    source, target = sets
    drawn = torch.randn(500, 2, 4, 3, generator=torch.Generator().manual_seed(0))
    found = torch.stack([mean_discrepancy(one, other) for one, other in drawn])
    assert abs(float(found.mean())) < 3 * float(found.std()) / 500**0.5
    assert 0 < float(mean_discrepancy(source, target)) < float(mean_discrepancy(source, target + 5)) <= 2
    assert torch.isfinite(mean_discrepancy(source[:1], source[:1]))


def test_the_distance_of_covariances_is_the_product_of_what_both_halves_say(sets: tuple[torch.Tensor, torch.Tensor]) -> None:
    source, target = (features.numpy() for features in sets)
    np.testing.assert_allclose(covariance(sets[0]).numpy(), np.cov(source, rowvar=False), rtol=1e-5)
    first, second = (np.cov(source[half::2], rowvar=False) - np.cov(target[half::2], rowvar=False) for half in range(2))
    assert float(correlation_distance(*sets)) == pytest.approx((first * second).sum() / (4 * 9), rel=1e-5)
    assert float(correlation_distance(sets[0], sets[0] + 7)) == pytest.approx(0, abs=1e-6)  # means do not count
    assert torch.isfinite(correlation_distance(sets[0][:1], sets[1]))


def test_the_distance_of_covariances_errs_to_neither_side() -> None:
    drawn = torch.randn(2000, 2, 6, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2.0])[:, None, None]
    found = torch.stack([correlation_distance(one, other) for one, other in drawn])
    assert float(found.mean()) == pytest.approx(3 * 3**2 / (4 * 9), rel=0.15)  # covariances 1 and 4 on the diagonal


def test_the_gradient_comes_back_reversed() -> None:
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    out = reversed_gradient(values, 0.5)
    assert torch.equal(out, values)
    (out * torch.tensor([3.0, 4.0])).sum().backward()
    assert torch.equal(values.grad, torch.tensor([-1.5, -2.0]))  # type: ignore[arg-type]


def test_the_schedule_is_the_paper_s() -> None:
    assert [annealed(share) for share in (0.0, 0.1, 1.0)] == pytest.approx([0.0, 0.4621, 0.9999], abs=1e-4)


def test_pooled_features_do_not_see_padding() -> None:
    model = tiny.base("bert").eval()
    alone = {"input_ids": torch.tensor([[2, 9, 10, 3]])}
    padded = {"input_ids": torch.tensor([[2, 9, 10, 3, 0, 0]]), "attention_mask": torch.tensor([[1, 1, 1, 1, 0, 0]])}
    torch.testing.assert_close(pooled(model, model(**padded), padded), pooled(model, model(**alone), alone))


def test_an_encoder_decoder_gives_the_states_of_its_encoder() -> None:
    model = tiny.base("bart").eval()
    inputs = {"input_ids": torch.tensor([[2, 9, 10, 3]])}
    torch.testing.assert_close(pooled(model, model(**inputs), inputs), model.encoder(**inputs).last_hidden_state.mean(dim=1))


def test_judging_gives_each_part_its_mode_again() -> None:
    module = nn.Sequential(nn.Dropout(), nn.Linear(2, 2)).train()
    module[0].eval()
    with judging(module):
        assert not module[1].training
    assert [part.training for part in module.modules()] == [True, False, True]


def test_a_model_without_a_body_is_refused() -> None:
    with pytest.raises(InputError, match="mmd: the model has no body"):
        check_features(nn.Linear(2, 2), "mmd")


@pytest.mark.parametrize("rows", [1, 16])
@pytest.mark.parametrize(("name", "kind"), [("coral", CORAL), ("mmd", MMD)])
def test_domains_of_which_too_few_rows_are_compared_are_told_once(name: str, kind: type[CORAL | MMD], rows: int) -> None:
    strategy, said = kind(["a cat"] * rows), list[str]()
    run = tiny_fit(None, [strategy], steps=1).run
    run.say = said.append
    strategy.begin(run)
    batch = batch_of([run.train[i % len(run.train)] for i in range(rows)], run)
    for _ in range(2):
        strategy.loss(batch, run, lambda batch: run.task.objective(batch, run.forward))
    few = ["a target of 1 row", "a micro-batch of 1 row"] if rows == 1 else []
    assert said[1:] == [f"{name}: {what} tells little of a domain: 16 rows or more do well" for what in few]
