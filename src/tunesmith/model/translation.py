"""Which languages a model translates: two that its tokenizer names, or two of many, which it is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.model.build import Model
from tunesmith.model.files import read_json
from tunesmith.model.sources import ModelSource
from tunesmith.model.tokenizer import load_tokenizer

MANY = ("M2M100", "Nllb", "MBart")  # how the classes of their tokenizers begin
NEAR = 4  # languages that are shown where one is not known
_LANGUAGE = re.compile("[a-z]{2,3}_[A-Za-z]{2,4}")  # eng_Latn, en_XX


def two_languages(source: ModelSource) -> tuple[str, str]:
    """The languages that a model translates from and to, as its tokenizer calls them; empty where it does not say."""
    said = _said(source)
    return str(said.get("source_lang") or ""), str(said.get("target_lang") or "")


def translates_many(source: ModelSource) -> bool:
    """Whether a model is for many languages, and has to be told from which to which it is to translate."""
    return str(_said(source).get("tokenizer_class", "")).startswith(MANY)


def check_languages(source: ModelSource, asked: Sequence[str], role: str) -> None:
    """Raise ``InputError`` where a model for many languages does not know those that are asked for; the nearest are shown."""
    known = sorted(language_tokens(load_tokenizer(source.path)))
    problems = []
    for name in [name for name in asked if name not in known]:
        begun = [one for one in known if one[:2] == name[:2].lower()]
        near = list(dict.fromkeys([*begun, *get_close_matches(name, known, NEAR, cutoff=0.3)]))[:NEAR] or known[:NEAR]
        problem = f"{role}: of the {len(known):,} languages of {source.spec} none is called '{name}'"
        problems.append(Problem(problem, f"Nearest: {', '.join(near)}"))
    if problems:
        raise InputError(*problems)


def tell(model: Model, source: str, target: str) -> None:
    """Let a model for many languages translate from ``source`` to ``target``, of those that its tokenizer knows.

    The decoder of the first mBART begins with the language; those after it begin with the end token, and write the language first.
    """
    tokenizer = model.tokenizer
    tokenizer.src_lang = source
    token = tokenizer.convert_tokens_to_ids(language_tokens(tokenizer)[target])
    begins = type(tokenizer).__name__.startswith("MBartTokenizer")
    for part in model.module.modules():
        if "generation_config" in vars(part):
            config: Any = part.generation_config
            config.decoder_start_token_id = token if begins else config.decoder_start_token_id
            config.forced_bos_token_id = None if begins else token


def language_tokens(tokenizer: Any) -> dict[str, str]:
    """The token that stands for each language that a tokenizer of many knows."""
    own: dict[str, str] = getattr(tokenizer, "lang_code_to_token", {})
    return own or {name: name for name in map(str, tokenizer.all_special_tokens) if _LANGUAGE.fullmatch(name)}


def _said(source: ModelSource) -> dict[str, Any]:
    file = source.path / "tokenizer_config.json"
    return read_json(file) if file.exists() else {}
