"""Dropout is set where it is, and attention's apart."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.strategies.dropout import SCHEDULES, Dropout, dropouts, weighs


def set_to(model: nn.Module, rate: float) -> int:
    """Every dropout of a model to one rate; returns how many there are."""
    found = list(dropouts(model))
    for part, name, _ in found:
        setattr(part, name, rate)
    return len(found)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "albert", "gpt2", "xlnet", "t5", "bart"])
def test_without_dropout_training_and_evaluation_give_the_same(family: str) -> None:
    model = tiny.base(family)
    assert set_to(model, 0.0) > 0
    inputs = {"input_ids": torch.randint(5, 50, (2, 9))}
    inputs |= {"decoder_input_ids": inputs["input_ids"]} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        trained, used = model.train()(**inputs)[0], model.eval()(**inputs)[0]
    assert torch.allclose(trained, used, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "attention"),
    [
        ("bert.encoder.layer.0.attention.self.dropout", True),
        ("bert.encoder.layer.0.attention.output.dropout", False),
        ("bert.encoder.layer.0.output.dropout", False),
        ("bert.embeddings.dropout", False),
        ("transformer.h.0.attn.attn_dropout", True),
        ("transformer.h.0.attn.resid_dropout", False),
        ("distilbert.transformer.layer.0.attention.dropout", True),
        ("dropout", False),
    ],
)
def test_attention_weights_are_told_from_hidden_values(name: str, attention: bool) -> None:
    assert weighs(name) == attention


def rates(model: nn.Module) -> dict[str, float]:
    return {name: module.p for name, module in model.named_modules() if isinstance(module, nn.Dropout)}


@pytest.fixture
def of_bert(run: Run) -> Run:
    run.model = tiny.bert()
    return run


def test_each_kind_of_place_has_its_rate(of_bert: Run) -> None:
    Dropout(rate=0.2, attention=0.4, embedding=0.1, head=0.3).begin(of_bert)
    found = rates(of_bert.model)
    assert found["bert.encoder.layer.0.attention.self.dropout"] == 0.4
    assert found["bert.encoder.layer.0.attention.output.dropout"] == 0.2
    assert found["bert.encoder.layer.2.output.dropout"] == 0.2
    assert found["bert.embeddings.dropout"] == 0.1
    assert found["dropout"] == 0.3


@pytest.mark.parametrize(("schedule", "expected"), [("constant", [0.4, 0.4, 0.4]), ("rising", [0, 0.1, 0.4]), ("falling", [0.4, 0.3, 0])])
def test_schedules_follow_the_clock(of_bert: Run, schedule: str, expected: list[float]) -> None:
    strategy = Dropout(rate=0.4, schedule=schedule)
    strategy.begin(of_bert)
    found = []
    for step in (0, 10, 40):
        of_bert.clock = of_bert.clock.at(step)
        strategy.gradient([], of_bert, lambda batches: found.append(rates(of_bert.model)["dropout"]))  # type: ignore[arg-type, return-value]
    assert found == pytest.approx(expected)
    assert set(SCHEDULES) == {"constant", "rising", "falling"}


def test_samples_average_the_head_and_compute_the_body_once(of_bert: Run) -> None:
    from tunesmith.core.batch import Batch
    from tunesmith.core.forward import Forward
    from tunesmith.core.loss import Loss

    model = of_bert.model.train()
    strategy = Dropout(rate=0.0, head=0.5, samples=3)
    strategy.begin(of_bert)
    calls, losses = [], []
    model.bert.encoder.register_forward_hook(lambda *_: calls.append(1))
    batch = Batch({"input_ids": torch.tensor([[2, 9, 3]])}, {}, torch.arange(1), 3)

    def inner(batch: Batch) -> Loss:
        losses.append(Forward(model)(batch).logits.square().sum())
        return Loss(losses[-1], 1)

    averaged = strategy.loss(batch, of_bert, inner)
    assert (len(calls), len(losses)) == (1, 3)
    assert len({float(loss.detach()) for loss in losses}) > 1, "each sample has a mask of its own"
    torch.testing.assert_close(averaged.sum, sum(losses) / 3)


def test_samples_without_dropout_in_the_head_are_refused(of_bert: Run) -> None:
    with pytest.raises(InputError, match="alike"):
        Dropout(rate=0.0, samples=3)
    of_bert.model = tiny.base("bert")
    with pytest.raises(InputError, match="no dropout to take samples of"):
        Dropout(rate=0.1, samples=2).begin(of_bert)
