"""Few shots: both losses by hand, who is paired with whom, micro-batches that agree, and who learns when."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from training import tiny_fit, weights
from tunesmith.core.batch import Batch
from tunesmith.core.clock import Span
from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.core.task import Row
from tunesmith.data.unlabelled import batch_of
from tunesmith.strategies.few_shot import FewShot, partners
from tunesmith.tasks.text_classification import TextClassification

MEMBERS = {0: [0, 1, 2], 1: [3, 4, 5, 6, 7], 2: [8]}
WHOLE = Span(100, "%")


def test_partners_are_of_the_class_and_of_others() -> None:
    found = [partners(MEMBERS, 0, 1, 2, seed) for seed in range(400)]
    assert {alike for alike, *_ in found} == {0, 2}
    others = Counter(item for _, *rest in found for item in rest)
    assert set(others) == {3, 4, 5, 6, 7, 8}
    assert 330 < others[8] < 470  # a label of one row comes as often as one of five
    assert partners(MEMBERS, 2, 8, 1, 0)[0] == 8  # no other row is there
    assert found == [partners(MEMBERS, 0, 1, 2, seed) for seed in range(400)]


def step_of(micro: int, **settings: object) -> dict[str, Tensor]:
    strategy = FewShot(until=WHOLE, **settings)  # type: ignore[arg-type]
    return weights(tiny_fit(None, [strategy], steps=2, dropout=0.0, micro_batch=micro, optimizer="sgd", learning_rate=0.1))


@pytest.mark.parametrize("settings", [{}, {"pair_loss": "info_nce", "num_other": 2, "pooling": "head"}], ids=["cosine", "info_nce"])
def test_pairs_are_the_same_however_a_batch_is_cut(settings: dict[str, object]) -> None:
    whole, parts = step_of(4, **settings), step_of(1, **settings)
    assert all(np.allclose(whole[name], parts[name], atol=1e-5) for name in whole)
    assert not np.allclose(whole["classifier.weight"], weights(tiny_fit(None, steps=2, dropout=0.0))["classifier.weight"], atol=1e-5)


def test_layers_learn_from_pairs_and_the_head_from_labels() -> None:
    strategy = FewShot(until=Span(9, "st"))
    run = tiny_fit(None, [strategy], steps=1, dropout=0.0).run
    batch = batch_of([run.train[item] for item in (0, 1, 2)], run)

    def gradients(times: float) -> dict[str, Tensor]:
        """Where the loss of the labels counts so many times."""

        def labelled(batch: Batch) -> Loss:
            loss = run.task.objective(batch, run.forward)
            return replace(loss, sum=loss.sum * times)

        run.model.zero_grad()
        loss = strategy.loss(batch, run, labelled)
        loss.sum.backward()
        assert loss.count == 3
        return {name: weight.grad.clone() for name, weight in run.model.named_parameters() if weight.grad is not None}

    once, twice = gradients(1.0), gradients(2.0)
    assert {name for name in once if not torch.equal(once[name], twice[name])} == {"classifier.weight", "classifier.bias"}
    torch.testing.assert_close(2 * once["classifier.weight"], twice["classifier.weight"])
    assert once["bert.encoder.layer.0.output.dense.weight"].any()


def cosines(strategy: FewShot) -> float:
    """How much nearer rows of one class are than rows of two, after training."""
    run = tiny_fit(None, [strategy], steps=40, learning_rate=5e-3, dropout=0.0).run
    run.model.eval()
    with torch.no_grad():
        vectors = strategy._embed([run.train[item] for item in range(len(run.train))], run)
    labels = torch.tensor([row["label"] for row in run.train])
    alike = labels[:, None] == labels
    return float((vectors @ vectors.T)[alike].mean() - (vectors @ vectors.T)[~alike].mean())


def test_classes_come_apart() -> None:
    assert cosines(FewShot(until=WHOLE)) > 0.5 > cosines(FewShot(until=Span(1, "st")))


def test_afterwards_the_head_learns_alone() -> None:
    def trained(steps: int) -> dict[str, Tensor]:
        strategy = FewShot(until=Span(2, "st"))
        return weights(tiny_fit(None, [strategy], steps=steps, schedule="constant", warmup=Span(0, "st")))

    before, after = trained(2), trained(4)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("pooler" in name or "classifier" in name for name in changed)


def rows(*labels: str) -> tuple[TextClassification, list[Row]]:
    return TextClassification(labels=["bad", "good"], max_length=16), [
        {"text": f"a film number {number}", "label": label} for number, label in enumerate(labels)
    ]


def test_rows_of_one_label_are_refused_and_single_rows_told() -> None:
    with pytest.raises(InputError, match="all rows have one label"):
        tiny_fit(None, [FewShot()], lambda: rows("good", "good", "good", "good"), steps=1)
    said: list[str] = []
    run = tiny_fit(None, [FewShot()], lambda: rows("good", "good", "bad", "good"), steps=1).run
    run.say = said.append
    FewShot().begin(run)
    assert said[0].startswith("few_shot: 1 labels have a row each")
    FewShot(until=Span(0, "st")).begin(run)
    assert said[-1].startswith("few_shot: no time is given to pairs")


def test_a_number_for_each_row_is_refused() -> None:
    def numbers() -> tuple[TextClassification, list[Row]]:
        return TextClassification(kind="regression", max_length=16), [{"text": f"a film {n}", "label": n / 4} for n in range(4)]

    with pytest.raises(InputError, match="no single label"):
        tiny_fit(None, [FewShot()], numbers, steps=1)
