"""Tokenizers: as they were saved, able to pad, not longer than the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import Head
from tunesmith.model.build import build
from tunesmith.model.tokenizer import bound, load_tokenizer, pad_alike, token_embedding

CLASSIFIER = Head("AutoModelForSequenceClassification", {"num_labels": 2})


def test_it_is_the_one_that_was_saved_whatever_the_family(tmp_path: Path) -> None:
    """AutoTokenizer would make a byte-level tokenizer of a Qwen's word-level one, with other numbers for the same words."""
    text = "A good film: 这部电影很好看!"
    assert load_tokenizer(tiny.folder(tmp_path, "qwen2"))(text).input_ids == tiny.tokenizer()(text).input_ids


def test_a_folder_without_a_vocabulary_has_none(tmp_path: Path) -> None:
    """AutoTokenizer would make up an empty one for a BERT."""
    tiny.base().save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path) is None


def test_a_library_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def needing(*given: Any, **settings: Any) -> None:
        raise ImportError("\nMarianTokenizer requires the SentencePiece library but it was not found in your environment.")

    monkeypatch.setattr("transformers.PreTrainedTokenizerFast.from_pretrained", needing)
    with pytest.raises(InputError, match=r"requires the SentencePiece library.*pip install .tunesmith\[translation"):
        load_tokenizer(tiny.folder(tmp_path))


def test_a_damaged_file(tmp_path: Path) -> None:
    folder = tiny.folder(tmp_path)
    (folder / "tokenizer.json").write_text('{"version": ')
    with pytest.raises(InputError, match="tokenizer cannot be read"):
        load_tokenizer(folder)


def test_the_end_of_the_text_pads_where_nothing_else_does(tmp_path: Path) -> None:
    folder = tiny.folder(tmp_path, "gpt2", pad_token_id=None)
    tokenizer = tiny.tokenizer(token_types=False)
    tokenizer.eos_token, tokenizer.pad_token = "[SEP]", None
    tokenizer.save_pretrained(folder)
    model = build(str(folder), CLASSIFIER)
    assert model.tokenizer.pad_token_id == tiny.SEP
    assert model.module.config.pad_token_id == tiny.SEP
    batch = model.tokenizer(["a good film", "bad"], padding=True, return_tensors="pt")
    assert model.module(**batch).logits.shape == (2, 2)


def test_the_tokenizer_decides_what_pads() -> None:
    config = tiny.configs["gpt2"](pad_token_id=7)
    pad_alike(config, tiny.tokenizer())
    assert config.pad_token_id == tiny.PAD
    clip = tiny.configs["clip"]()
    clip.text_config.pad_token_id = 7
    pad_alike(clip, tiny.tokenizer())
    assert clip.text_config.pad_token_id == tiny.PAD


@pytest.mark.parametrize(
    ("family", "longest"), [("bert", 72), ("roberta", 71), ("gpt2", 72), ("clip", 72), ("t5", 1000), ("xlnet", 1000), ("whisper", 72)]
)
def test_texts_are_not_longer_than_the_model_has_positions(family: str, longest: int) -> None:
    tokenizer = tiny.tokenizer(max_length=1000)
    bound(tokenizer, tiny.base(family))
    assert tokenizer.model_max_length == longest


def test_a_text_of_the_greatest_length_goes_through(tmp_path: Path) -> None:
    """RoBERTa numbers positions from behind the padding token, so the last of 72 is one too many."""
    folder = tiny.folder(tmp_path, "roberta")
    tiny.tokenizer(max_length=1000, token_types=False).save_pretrained(folder)
    model = build(str(folder), CLASSIFIER)
    batch = model.tokenizer("good " * 200, truncation=True, return_tensors="pt")
    assert batch["input_ids"].shape == (1, 71)
    assert model.module(**batch).logits.isfinite().all()


def test_a_shorter_limit_of_the_tokenizer_stays() -> None:
    tokenizer = tiny.tokenizer(max_length=16)
    bound(tokenizer, tiny.base())
    assert tokenizer.model_max_length == 16


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = tiny.folder(tmp_path, vocab_size=60)
    with pytest.raises(InputError, match="tokenizer has 91 tokens and the model embeds 60"):
        build(str(folder), CLASSIFIER)


@pytest.mark.parametrize(
    ("family", "name"),
    [("bert", "embeddings.word_embeddings"), ("clip", "text_model.embeddings.token_embedding"), ("t5", "shared"), ("vit", "")],
)
def test_where_tokens_are_embedded(family: str, name: str) -> None:
    assert token_embedding(tiny.base(family)) == (name, len(tiny.VOCABULARY) if name else 0)
