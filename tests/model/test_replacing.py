"""Tokens in the place of others: drawn by their chances, by a model that reads masks, and what two kinds of heads say of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers

import tiny
from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.model.replacing import Replacer, detection_logits, drawn

CAT, DOG = (tiny.VOCABULARY.index(word) for word in ("cat", "dog"))
NOWHERE = Forward(torch.nn.Identity())


@pytest.fixture
def batch() -> Batch:
    ids = torch.tensor([[tiny.CLS, CAT, DOG, CAT, tiny.SEP], [tiny.CLS, DOG, tiny.SEP, tiny.PAD, tiny.PAD]])
    real = torch.tensor([[0, 1, 1, 1, 0], [0, 1, 0, 0, 0]]).bool()
    asked = torch.tensor([[0, 1, 1, 0, 0], [0, 0, 0, 0, 0]]).bool()
    return Batch({"input_ids": ids}, {"real": real, "asked": asked, "draws": torch.full(ids.shape, 0.5)}, torch.arange(2), 8)


def test_tokens_are_drawn_by_their_chances() -> None:
    chances, draws = torch.tensor([[0.0, 1.0, 3.0, 0.0]]), torch.rand(4000, generator=torch.Generator().manual_seed(0))
    counts = drawn(chances, draws).bincount(minlength=4)
    assert counts[0] == counts[3] == 0
    assert float(counts[2]) / 4000 == pytest.approx(0.75, abs=0.02)
    each = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    assert drawn(each, torch.tensor([0.0, 0.0, 0.4, 0.999])).tolist() == [0, 1, 0, 1]


def test_a_token_that_is_drawn_where_it_stood_is_no_other(batch: Batch) -> None:
    chances = torch.zeros(1, len(tiny.VOCABULARY))
    chances[0, CAT] = 1
    found, labels = Replacer(chances, None, tiny.tokenizer()).replaced(batch, NOWHERE)  # type: ignore[arg-type]
    assert found.inputs["input_ids"].tolist() == [[tiny.CLS, CAT, CAT, CAT, tiny.SEP], batch.inputs["input_ids"][1].tolist()]
    assert labels.tolist() == [0, 1, 0, 0]
    assert batch.inputs["input_ids"][0, 2] == DOG


def test_a_model_reads_masks_and_draws_no_special_token(batch: Batch) -> None:
    seen: list[Any] = []

    class Generator(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor, **inputs: Any) -> Any:
            seen.append(input_ids)
            logits = torch.zeros(*input_ids.shape, len(tiny.VOCABULARY) + 7)
            logits[..., tiny.SEP] = logits[..., -1] = 50.0  # of the tokenizer's, and of none
            logits[..., DOG] = 30.0
            return SimpleNamespace(logits=logits)

    found, labels = Replacer(torch.zeros(1, 1), Generator(), tiny.tokenizer()).replaced(batch, NOWHERE)  # type: ignore[arg-type]
    assert seen[0][0].tolist() == [tiny.CLS, tiny.MASK, tiny.MASK, CAT, tiny.SEP]
    assert found.inputs["input_ids"][0].tolist() == [tiny.CLS, DOG, DOG, CAT, tiny.SEP]
    assert labels.tolist() == [1, 0, 0, 0]
    warm = Replacer(torch.zeros(1, 1), Generator(), tiny.tokenizer(), temperature=1e6)
    assert warm.replaced(batch, NOWHERE)[0].inputs["input_ids"][0, 1] != DOG  # type: ignore[arg-type]


def test_both_heads_give_two_logits_for_each_token(batch: Batch) -> None:
    torch.manual_seed(0)
    single = transformers.ElectraForPreTraining(tiny.configs["electra"]()).eval()
    own = single(**batch.inputs).logits[batch.targets["real"]]
    found = detection_logits(batch, Forward(single))
    assert torch.equal(found[:, 0], torch.zeros(4))
    assert torch.allclose(found[:, 1], own)
    double = transformers.BertForTokenClassification(tiny.configs["bert"](num_labels=2)).eval()
    assert torch.equal(detection_logits(batch, Forward(double)), double(**batch.inputs).logits[batch.targets["real"]])
