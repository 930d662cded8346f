"""Languages of models that translate: two that the tokenizer names, or those of many, which are told."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import Head
from tunesmith.model.build import build
from tunesmith.model.decoding import Decoding
from tunesmith.model.generate import generate
from tunesmith.model.sources import resolve
from tunesmith.model.tokenizer import load_tokenizer
from tunesmith.model.translation import (
    check_languages,
    check_two,
    language_tokens,
    languages_for,
    tell,
    translates_many,
    two_languages,
    two_of_many,
)

LANGUAGES = {"nllb": ["eng_Latn", "fra_Latn"], "mbart": ["en_XX", "fr_XX"], "mbart50": ["en_XX", "fr_XX"]}


def test_two_languages_of_a_translator(tmp_path: Path) -> None:
    source = resolve(str(tiny.folder(tmp_path, "marian")))
    assert two_languages(source) == ("", "")
    file = source.path / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"source_lang": "en", "target_lang": "de"}))
    assert two_languages(source) == ("en", "de")
    assert not translates_many(source)


@pytest.mark.parametrize("family", LANGUAGES)
def test_a_model_of_many_reads_one_language_and_writes_another(family: str, tmp_path: Path) -> None:
    source = resolve(str(tiny.translator(tmp_path, family)))
    assert translates_many(source)
    model = build(str(source.path), Head("AutoModelForSeq2SeqLM", {}))
    tokenizer = model.tokenizer
    check_languages(tokenizer, "it", LANGUAGES[family], "there")
    for one, other in (LANGUAGES[family], LANGUAGES[family][::-1]):
        tell(model.module, tokenizer, [one, other])
        [prompt] = tokenizer(["a good film"])["input_ids"]
        assert tokenizer.convert_ids_to_tokens(prompt[-1 if family == "mbart" else 0]) == one
        seen: list[int] = []
        hook = model.module.get_decoder().register_forward_pre_hook(  # type: ignore[operator]
            lambda _, args, inputs, seen=seen: seen.append(int(inputs["input_ids"][0, -1])), with_kwargs=True
        )
        [answer] = generate(model.module, tokenizer, [prompt], Decoding(max_new_tokens=3))
        hook.remove()
        written = seen[0] if family == "mbart" else answer[0]  # the first mBART begins with it
        assert tokenizer.convert_ids_to_tokens(written) == other
        assert seen[0] == written or seen[0] == tokenizer.eos_token_id


def test_languages_that_are_not_known_are_refused_with_the_nearest(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny.translator(tmp_path, "nllb"))
    with pytest.raises(InputError) as caught:
        check_languages(tokenizer, "nllb", ["en", "eng_Latn", "french", "en"], "there")
    first, second = caught.value.problems
    assert "there: of the 202 languages of nllb none is called 'en'" in first.message
    assert "Nearest: eng_Latn" in first.remedy
    assert "fra_Latn" in second.remedy


def test_m2m100_has_names_for_its_tokens() -> None:
    tokens = {"en": "__en__", "fr": "__fr__"}
    tokenizer: Any = SimpleNamespace(lang_code_to_token=tokens, convert_tokens_to_ids={"__en__": 7, "__fr__": 8}.get)
    assert language_tokens(tokenizer) == tokens
    module: Any = torch.nn.Module()
    module.generation_config = GenerationConfig(decoder_start_token_id=2)
    tell(module, tokenizer, ["en", "fr"])
    assert (tokenizer.src_lang, tokenizer.tgt_lang) == ("en", "fr")
    assert (module.generation_config.decoder_start_token_id, module.generation_config.forced_bos_token_id) == (2, 8)


def test_a_tokenizer_that_is_not_named_is_that_of_the_family(tmp_path: Path) -> None:
    """The first mBART's own files name none."""
    source = resolve(str(tiny.translator(tmp_path, "mbart")))
    (source.path / "tokenizer_config.json").write_text("{}")
    assert translates_many(source)


def test_languages_are_those_that_are_asked_for_or_else_those_of_the_files(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny.translator(tmp_path, "nllb"))
    assert languages_for(tokenizer, ["fra_Latn", "eng_Latn"], "task.languages") == ("fra_Latn", "eng_Latn")
    with pytest.raises(InputError, match=r"is not told which. Write task.languages: .* \[eng_Latn, fra_Latn\] for example"):
        languages_for(tokenizer, [], "task.languages")
    tokenizer.tgt_lang = "deu_Latn"
    assert languages_for(tokenizer, [], "task.languages") == ("eng_Latn", "deu_Latn")
    assert languages_for(tiny.tokenizer(), [], "task.languages") == ()
    with pytest.raises(InputError, match=r"task.languages is for models of many languages, and this one is not. Take it out"):
        languages_for(tiny.tokenizer(), ["en", "fr"], "task.languages")


def test_one_language_is_not_enough() -> None:
    check_two([], "task.languages")
    with pytest.raises(InputError, match=r"task.languages names fra_Latn. Write two"):
        check_two(["fra_Latn"], "task.languages")


def test_an_example_of_two_languages_is_as_the_model_calls_them(tmp_path: Path) -> None:
    tiny.translator(tmp_path, "mbart50").rename(tmp_path / "mine")
    assert two_of_many("mine", tmp_path) == "[en_XX, fr_XX]"
    assert two_of_many("facebook/nllb-200-distilled-600M", tmp_path) == "[eng_Latn, fra_Latn]"
    assert two_of_many("facebook/bart-base", tmp_path) == two_of_many(str(tiny.folder(tmp_path, "bart")), tmp_path) == ""
