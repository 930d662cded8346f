"""Pre-training loss: masks by their shares, next tokens, its place in the loss, other texts, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
import transformers

import tiny
from tunesmith.core.batch import Batch
from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.data.packing import IGNORED, pack
from tunesmith.model.backbone import describe
from tunesmith.model.mean_layer import end_in_mean
from tunesmith.strategies.pretrain_loss import PretrainLoss, chosen, masked, real_of, texts_of

IDS = torch.tensor([[2, 9, 11, 12, 3], [2, 8, 3, 0, 0]])
REAL = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def run_of(family: str) -> Run:
    torch.manual_seed(0)
    config = tiny.configs[family](num_labels=2)
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    run = Run(model, SimpleNamespace(), Forward(model), Clock(0, 4, 4), torch.device("cpu"), 0, lambda text: None, params=describe(model))  # type: ignore[arg-type]
    run.tokenizer = tiny.tokenizer()
    return run


def batch() -> Batch:
    return Batch({"input_ids": IDS, "attention_mask": REAL}, {}, torch.arange(2), 8)


def plain(batch: Batch) -> Loss:
    return Loss(torch.tensor(6.0), 2)


def test_shares_of_masks_words_and_what_stays() -> None:
    generator = torch.Generator().manual_seed(0)
    ids = torch.full((200, 500), 9)
    asked = torch.ones_like(ids, dtype=torch.bool)
    found = masked(ids, asked, tiny.tokenizer(), generator)
    assert float((found == tiny.MASK).float().mean()) == pytest.approx(0.8, abs=0.01)
    assert float((found == 9).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert torch.equal(masked(ids, ~asked, tiny.tokenizer(), generator), ids)


def test_what_is_asked_for_is_a_share_of_what_may_be_and_one_at_least() -> None:
    generator = torch.Generator().manual_seed(0)
    maskable = torch.ones(300, 200, dtype=torch.bool)
    maskable[:, 100:] = False
    found = chosen(maskable, 0.15, generator)
    assert not found[:, 100:].any()
    assert float(found[:, :100].float().mean()) == pytest.approx(0.15, abs=0.01)
    assert chosen(maskable, 1e-9, generator).sum(dim=1).eq(1).all()
    assert not chosen(torch.zeros(2, 3, dtype=torch.bool), 0.5, generator).any()


def test_padding_is_told_by_the_mask() -> None:
    assert torch.equal(real_of({"input_ids": IDS, "attention_mask": REAL}), REAL.bool())
    assert real_of({"input_ids": IDS}).all()


def test_a_decoder_is_asked_for_each_next_token() -> None:
    run = run_of("gpt2")
    strategy = PretrainLoss(strength=2.0)
    strategy.begin(run)
    loss = strategy.loss(batch(), run, plain)
    logits = strategy._language.model(input_ids=IDS, attention_mask=REAL).logits.log_softmax(-1)  # type: ignore[union-attr]
    losses = F.nll_loss(logits[:, :-1].transpose(1, 2), IDS[:, 1:], reduction="none")
    mean = ((losses[0, :4].mean() + losses[1, :2].mean()) / 2).detach()
    torch.testing.assert_close(loss.mean.detach(), 3.0 + 2.0 * mean, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(loss.parts["pretrain_loss"] / 2, 2.0 * mean, atol=1e-5, rtol=1e-4)


def test_of_texts_that_share_a_row_none_is_asked_for_what_another_begins_with() -> None:
    run = run_of("gpt2")
    strategy = PretrainLoss(strength=1.0)
    strategy.begin(run)
    packed = pack([[2, 9, 11], [2, 8]], [[IGNORED] * 3, [IGNORED] * 2], 0, 5)
    loss = strategy.loss(Batch(packed.inputs, {}, torch.arange(2), 5), run, plain)
    alone = [strategy._language.model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1) for ids in ([2, 9, 11], [2, 8])]  # type: ignore[union-attr]
    mean = -(alone[0][0, 9] + alone[0][1, 11] + alone[1][0, 8]).detach() / 3
    torch.testing.assert_close(loss.parts["pretrain_loss"] / 2, mean, atol=1e-5, rtol=1e-4)


def test_an_encoder_is_asked_for_masked_tokens_the_same_at_each_step_again() -> None:
    run = run_of("bert")
    strategy = PretrainLoss(strength=1.0, rate=0.5)
    strategy.begin(run)
    losses = [float(strategy.loss(batch(), run, plain).mean.detach()) for _ in range(2)]
    assert losses[0] == losses[1] > 3.0
    run.clock = run.clock.at(1)
    assert float(strategy.loss(batch(), run, plain).mean.detach()) != losses[0]


def test_other_texts_take_the_place_of_those_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("a good film\nthe worst plot\n\n", encoding="utf-8")
    assert texts_of(str(tmp_path / "texts.txt")) == ["a good film", "the worst plot"]
    run = run_of("bert")
    strategy = PretrainLoss(texts=str(tmp_path / "texts.txt"))
    strategy.begin(run)
    inputs = strategy._inputs(batch(), run, torch.Generator().manual_seed(0))
    given = set(run.tokenizer.batch_decode(inputs["input_ids"], skip_special_tokens=True))
    assert given <= {"a good film", "the worst plot"}


def test_strength_0_is_nothing_and_what_has_no_pretraining_is_refused() -> None:
    run = run_of("bert")
    names = set(run.params)
    strategy = PretrainLoss(strength=0.0)
    strategy.begin(run)
    assert set(run.params) == names
    assert float(strategy.loss(batch(), run, plain).mean.detach()) == 3.0
    with pytest.raises(InputError, match="no pre-training"):
        PretrainLoss().begin(run_of("bart"))
    run = run_of("bert")
    run.tokenizer.mask_token = None
    with pytest.raises(InputError, match="no token that masks"):
        PretrainLoss().begin(run)


def test_a_model_that_ends_in_a_mean_names_no_token() -> None:
    model = tiny.bert(num_labels=2)
    end_in_mean(model)
    with pytest.raises(InputError, match="names no token"):
        PretrainLoss().begin(SimpleNamespace(model=model))  # type: ignore[arg-type]
