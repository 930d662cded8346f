"""Streaming: the pieces are the whole, no character is torn, and no stop text gets out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import tiny
from tunesmith.model.decoding import Decoding
from tunesmith.model.generate import generate, texts
from tunesmith.model.stream import stream

PROMPT = [tiny.CLS, 9, 10]


@pytest.fixture(scope="module")
def module() -> Any:
    torch.manual_seed(1)
    return transformers.AutoModelForCausalLM.from_config(tiny.configs["gpt2"](initializer_range=0.3)).eval()


@pytest.mark.parametrize("decoding", [Decoding(6), Decoding(6, temperature=1.5, seed=2), Decoding(4, num_beams=2)])
def test_the_pieces_are_the_whole(module: Any, decoding: Decoding) -> None:
    tokenizer = tiny.tokenizer()
    pieces = list(stream(module, tokenizer, PROMPT, decoding))
    assert "".join(pieces) == texts(tokenizer, generate(module, tokenizer, [PROMPT], decoding))[0]
    assert decoding.num_beams > 1 or len(pieces) > 2


def test_no_stop_text_gets_out(module: Any) -> None:
    tokenizer = tiny.tokenizer()
    [said] = texts(tokenizer, generate(module, tokenizer, [PROMPT], Decoding(6)))
    stop = said[len(said) // 2 : len(said) // 2 + 4]
    found = "".join(stream(module, tokenizer, PROMPT, Decoding(6, stop=(stop,))))
    assert found == said[: said.find(stop)]


def test_no_character_is_torn(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=core)
    ids = tokenizer("电影好 é!")["input_ids"]
    assert len(ids) == 13  # a token a byte
    monkeypatch.setattr("tunesmith.model.stream._tokens", lambda *given: iter(ids))
    pieces = list(stream(module, tokenizer, PROMPT))
    assert pieces == ["电", "影", "好", " ", "é", "!"]


def test_closing_it_ends_the_writing(module: Any) -> None:
    writing = stream(module, tiny.tokenizer(), PROMPT, Decoding(60))
    first = next(writing)
    writing.close()
    assert first


def test_errors_come_where_it_is_read(module: Any) -> None:
    with pytest.raises(Exception, match="leaves no room"):
        list(stream(module, tiny.tokenizer(), [9] * 72))
