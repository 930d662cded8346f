"""An encoder-decoder of two pre-trained models: what it takes over, what is new, and what cannot be joined."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import Head
from tunesmith.model.build import build
from tunesmith.model.decoding import Decoding
from tunesmith.model.generate import generate
from tunesmith.model.save import digest, save

WRITES = Head("AutoModelForSeq2SeqLM", {})


@pytest.fixture
def spec(tmp_path: Path) -> str:
    folder = tiny.folder(tmp_path)
    return f"encoder={folder},decoder={folder}"


def test_both_take_over_their_weights_and_cross_attention_is_new(spec: str) -> None:
    model = build(spec, WRITES)
    base = tiny.base()
    assert digest(model.module.encoder) == digest(base)
    own = dict(model.module.decoder.bert.named_parameters())
    assert all(torch.equal(own[name], weight) for name, weight in base.named_parameters() if name in own)
    assert model.fresh
    assert all("crossattention" in name or name.startswith("decoder.cls.") for name in model.fresh)
    assert model.module.config.decoder_start_token_id == tiny.CLS


def test_it_writes_learns_and_loads_anywhere(spec: str, tmp_path: Path) -> None:
    model = build(spec, WRITES)
    ids = torch.tensor([[tiny.CLS, 9, 10, tiny.SEP]])
    model.module(input_ids=ids, decoder_input_ids=ids).logits.logsumexp(dim=-1).sum().backward()
    assert all(parameter.grad is not None for name, parameter in model.module.named_parameters() if "pooler" not in name)
    [answer] = generate(model.module, model.tokenizer, ids.tolist(), Decoding(4))
    save(model, tmp_path / "saved")
    loaded, info = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert not info["missing_keys"]
    assert generate(loaded, model.tokenizer, ids.tolist(), Decoding(4)) == [answer]


def test_two_vocabularies_cannot_be_joined(spec: str, tmp_path: Path) -> None:
    other = tiny.folder(tmp_path / "other")
    tokenizer = tiny.tokenizer()
    tokenizer.add_tokens(["extra"])
    tokenizer.save_pretrained(other)
    with pytest.raises(InputError, match=r"do not share one vocabulary. Name two models of one family"):
        build(f"encoder={tiny.folder(tmp_path)},decoder={other}", WRITES)


def test_a_task_that_does_not_write_has_no_use_for_it(spec: str) -> None:
    with pytest.raises(InputError, match=r"has no AutoModelForSequenceClassification. Name one model"):
        build(spec, Head("AutoModelForSequenceClassification", {}))


def test_an_image_model_is_no_part_of_it(tmp_path: Path) -> None:
    tiny.base("vit").save_pretrained(tmp_path / "vit")
    with pytest.raises(InputError):
        build(f"encoder={tmp_path / 'vit'},decoder={tiny.folder(tmp_path)}", WRITES)
