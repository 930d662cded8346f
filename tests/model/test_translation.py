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
from tunesmith.model.build import Model, build
from tunesmith.model.decoding import Decoding
from tunesmith.model.generate import generate
from tunesmith.model.sources import resolve
from tunesmith.model.translation import check_languages, language_tokens, tell, translates_many, two_languages

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
    check_languages(source, LANGUAGES[family], "there")
    model = build(str(source.path), Head("AutoModelForSeq2SeqLM", {}))
    tokenizer = model.tokenizer
    for one, other in (LANGUAGES[family], reversed(LANGUAGES[family])):
        tell(model, one, other)
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
    source = resolve(str(tiny.translator(tmp_path, "nllb")))
    with pytest.raises(InputError) as caught:
        check_languages(source, ["en", "eng_Latn", "french"], "there")
    first, second = caught.value.problems
    assert f"there: of the 202 languages of {source.spec} none is called 'en'" in first.message
    assert "Nearest: eng_Latn" in first.remedy
    assert "fra_Latn" in second.remedy


def test_m2m100_has_names_for_its_tokens() -> None:
    tokens = {"en": "__en__", "fr": "__fr__"}
    tokenizer: Any = SimpleNamespace(lang_code_to_token=tokens, convert_tokens_to_ids={"__en__": 7, "__fr__": 8}.get)
    assert language_tokens(tokenizer) == tokens
    module: Any = torch.nn.Module()
    module.generation_config = GenerationConfig(decoder_start_token_id=2)
    tell(Model(module, tokenizer, None, "", ()), "en", "fr")  # type: ignore[arg-type]
    assert tokenizer.src_lang == "en"
    assert (module.generation_config.decoder_start_token_id, module.generation_config.forced_bos_token_id) == (2, 8)
