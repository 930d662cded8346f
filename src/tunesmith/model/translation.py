"""Which languages a model translates: two that its tokenizer names, or two of many, which it is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.model.files import CONFIG, read_json
from tunesmith.model.sources import ModelSource

MANY = {"M2M100": "[en, fr]", "Nllb": "[eng_Latn, fra_Latn]", "MBart": "[en_XX, fr_XX]"}  # as their tokenizers are called: two languages
NAMED = "in the model's own names: [eng_Latn, fra_Latn] for NLLB, [en_XX, fr_XX] for mBART, [en, fr] for M2M100"
NEAR = 4  # languages that are shown where one is not known
_LANGUAGE = re.compile("[a-z]{2,3}_[A-Za-z]{2,4}")  # eng_Latn, en_XX


def two_languages(source: ModelSource) -> tuple[str, str]:
    """The languages that a model translates from and to, as its tokenizer calls them; empty where it does not say."""
    said = _said(source.path)
    return str(said.get("source_lang") or ""), str(said.get("target_lang") or "")


def translates_many(source: ModelSource) -> bool:
    """Whether a model is for many languages, and has to be told from which to which it is to translate."""
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

    config = read_json(source.path / CONFIG) if (source.path / CONFIG).exists() else {}
    told = (_said(source.path).get("tokenizer_class"), config.get("tokenizer_class"), TOKENIZER_MAPPING_NAMES.get(config.get("model_type")))
    return bool(_family(next((str(name) for name in told if name), "")))


def two_of_many(spec: str, base: Path) -> str:
    """Two languages as an example, as the model that ``spec`` names calls them; empty where its folder, or its name, tells of none.

    ``base`` is where relative paths start.
    """
    folder = base / Path(spec).expanduser()
    named = (family for family in MANY if family.lower() in spec.lower())
    family = _family(str(_said(folder).get("tokenizer_class", ""))) if folder.is_dir() else next(named, "")
    return MANY.get(family, "")


def languages_for(tokenizer: Any, asked: Sequence[str], key: str) -> tuple[str, ...]:
    """From which language to which a model is to write: as ``asked``, else as its own files say; none where it is not for many.

    Raises ``InputError`` for a model of many languages that nothing tells, for languages that it does not know, and for any that are
    asked of another model; ``key`` is the setting that asks.
    """
    family = _family(type(tokenizer).__name__)
    if asked and not family:
        raise InputError(Problem(f"{key} is for models of many languages, and this one is not", "Take it out"))
    said = tuple(asked) or (tokenizer.src_lang, tokenizer.tgt_lang) if family else ()
    if family and not all(said):
        example = f"Write {key}: that of the source, and that of the target, {MANY[family]} for example"
        remedy = f"{example}; where there is no recipe, src_lang and tgt_lang in its tokenizer_config.json"
        raise InputError(Problem("The model knows many languages, and is not told which", remedy))
    if family:
        check_languages(tokenizer, "the model", said, key)
    return said


def check_two(languages: Sequence[str], key: str) -> None:
    """Raise ``InputError`` where a setting does not name two languages, or none."""
    if len(languages) not in (0, 2):
        remedy = "Write two, that of the source and that of the target: [eng_Latn, fra_Latn]"
        raise InputError(Problem(f"{key} names {', '.join(languages)}", remedy))


def check_languages(tokenizer: Any, model: str, asked: Sequence[str], role: str) -> None:
    """Raise ``InputError`` where a model for many languages does not know those that are asked for; the nearest are shown."""
    known = sorted(language_tokens(tokenizer))
    problems = []
    for name in dict.fromkeys(name for name in asked if name not in known):
        begun = [one for one in known if one[:2] == name[:2].lower()]
        near = list(dict.fromkeys([*begun, *get_close_matches(name, known, NEAR, cutoff=0.3)]))[:NEAR] or known[:NEAR]
        problem = f"{role}: of the {len(known):,} languages of {model} none is called '{name}'"
        problems.append(Problem(problem, f"Nearest: {', '.join(near)}"))
    if problems:
        raise InputError(*problems)


def tell(module: Any, tokenizer: Any, languages: Sequence[str]) -> None:
    """Let a model for many languages read the first and write the second of ``languages``, here and where it is loaded again.

    Where there are none, the model stays as it is. The decoder of the first mBART begins with the language; those of other models
    begin with the end token, and write the language first.
    """
    if not languages:
        return
    tokenizer.src_lang, tokenizer.tgt_lang = languages
    token = tokenizer.convert_tokens_to_ids(language_tokens(tokenizer)[languages[1]])
    begins = type(tokenizer).__name__.startswith("MBartTokenizer")
    for part in module.modules():
        if "generation_config" in vars(part):
            config = part.generation_config
            config.decoder_start_token_id = token if begins else config.decoder_start_token_id
            config.forced_bos_token_id = None if begins else token


def language_tokens(tokenizer: Any) -> dict[str, str]:
    """The token that stands for each language that a tokenizer of many knows."""
    own: dict[str, str] = getattr(tokenizer, "lang_code_to_token", {})
    return own or {name: name for name in map(str, tokenizer.all_special_tokens) if _LANGUAGE.fullmatch(name)}


def _family(tokenizer: str) -> str:
    """Which of the families of many languages a tokenizer is of, by the name of its class; empty for none."""
    return next((family for family in MANY if tokenizer.startswith(family)), "")


def _said(folder: Path) -> dict[str, Any]:
    file = folder / "tokenizer_config.json"
    return read_json(file) if file.exists() else {}
