"""Few shots: both losses by hand, who is compared with whom, and who learns when."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log
from typing import Any

import pytest
import torch
from torch import Tensor

from training import tiny_fit, weights
from tunesmith.core.batch import Batch
from tunesmith.core.clock import Span
from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.core.run import seed_of
from tunesmith.core.task import Row
from tunesmith.data.partners import lacking
from tunesmith.data.unlabelled import batch_of
from tunesmith.strategies.few_shot import FewShot
from tunesmith.strategies.mean_pooling import MeanPooling
from tunesmith.tasks.text_classification import TextClassification

WHOLE = Span(100, "%")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pair_loss": "info_nce", "temperature": 0.5},
        {"temperature": 0.5, "pooling": "head"},
        {"pair_loss": "cosine", "pooling": "head"},
    ],
    ids=["cosine", "info_nce", "auto of what the head reads", "cosine of what the head reads"],
)
def test_each_row_is_compared_with_all_others_of_the_batch(settings: dict[str, Any]) -> None:
    strategy = FewShot(until=Span(9, "st"), **settings)
    run = tiny_fit(None, [strategy], steps=1, dropout=0.0).run
    batch = batch_of(list(run.train[:6]), run)
    loss = strategy.loss(batch, run, lambda batch: run.task.objective(batch, run.forward))
    with torch.no_grad():
        vectors = strategy._embed(list(run.train[:6]), run)
    labels, cosines = [row["label"] for row in run.train[:6]], (vectors @ vectors.T).tolist()
    expected = 0.0
    for i, own in enumerate(labels):
        alike = [cosines[i][j] for j, other in enumerate(labels) if own == other and i != j]
        apart = [cosines[i][j] for j, other in enumerate(labels) if own != other]
        assert alike
        assert apart
        if "temperature" in settings:
            expected += sum(-log(exp(2 * c) / (exp(2 * c) + sum(exp(2 * n) for n in apart))) for c in alike) / len(alike)
        else:
            expected += (sum((c - 1) ** 2 for c in alike) / len(alike) + sum(n**2 for n in apart) / len(apart)) / 2
    assert float(loss.parts["few_shot"].detach()) == pytest.approx(expected, rel=1e-4)


def test_a_row_that_is_alone_of_its_class_meets_one_that_is_drawn() -> None:
    strategy = FewShot(until=Span(9, "st"))
    run = tiny_fit(None, [strategy], steps=1, dropout=0.0).run
    first = run.train[0]
    loss = strategy.loss(batch_of([first], run), run, lambda batch: run.task.objective(batch, run.forward))
    [alike, apart] = lacking(strategy._members, [(int(first["label"]), 0)], seed_of(run.seed, "few_shot", run.clock.step, run.micro))
    with torch.no_grad():
        own, same, other = strategy._embed([first, run.train[alike], run.train[apart]], run)
    assert run.train[alike]["label"] == first["label"] != run.train[apart]["label"]
    assert float(loss.parts["few_shot"].detach()) == pytest.approx(float((own @ same - 1) ** 2 + (own @ other) ** 2) / 2, rel=1e-4)


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


def test_where_the_head_reads_the_mean_the_likest_is_to_be_found() -> None:
    said: list[str] = []
    run = tiny_fit(None, [FewShot()], steps=1).run
    run.say = said.append
    FewShot().begin(run)
    assert "beside mean_pooling it does" in said[-1]
    said.clear()
    run = tiny_fit(None, [MeanPooling(), FewShot()], steps=1, dropout=0.0).run
    run.say = said.append
    found = {}
    for how in ("auto", "cosine", "info_nce"):
        strategy = FewShot(pair_loss=how, until=Span(9, "st"))
        strategy.begin(run)
        loss = strategy.loss(batch_of(list(run.train[:6]), run), run, lambda batch: run.task.objective(batch, run.forward))
        found[how] = float(loss.parts["few_shot"].detach())
    assert found["auto"] == found["info_nce"] != found["cosine"]
    assert not any("mean_pooling" in line for line in said)


def test_a_number_for_each_row_is_refused() -> None:
    def numbers() -> tuple[TextClassification, list[Row]]:
        return TextClassification(kind="regression", max_length=16), [{"text": f"a film {n}", "label": n / 4} for n in range(4)]

    with pytest.raises(InputError, match="no single label"):
        tiny_fit(None, [FewShot()], numbers, steps=1)
