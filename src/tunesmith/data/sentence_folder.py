"""The files by which sentence-transformers knows a model that makes vectors of texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tunesmith.core.errors import InputError, Problem

_MODES = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
_ALIKE = ("classification", "sts", "clustering")  # names of prompts for texts that are compared with each other
_PAIRED = ("passage", "document")  # names of prompts that stand beside that of a query
_E5 = re.compile(r"(^|[-_/])e5-(small|base|large)(?!.*instruct)", re.IGNORECASE)  # "query: " where texts are compared with each other
_PARTS = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}


def beside_the_model(pooling: str, hidden: int, max_length: int) -> Mapping[str, Any]:
    """The files from which sentence-transformers knows how vectors are made: JSON contents by their paths in the model's folder."""
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(_PARTS.items())
    ]
    modes = {f"pooling_mode_{mode}": how == pooling for how, mode in _MODES.items()}
    return {
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": max_length, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": hidden, **modes},
        "2_Normalize/config.json": {},
        "config_sentence_transformers.json": {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"},
    }


def pooling_of(folder: Path) -> str:
    """How the vectors of a model in a folder are made: mean, cls or last; mean where no file says.

    Raises ``InputError`` for a way that tunesmith does not have.
    """
    file = folder / "1_Pooling" / "config.json"
    if not file.exists():
        return "mean"
    modes = [name.removeprefix("pooling_mode_") for name, on in json.loads(file.read_text(encoding="utf-8")).items() if on is True]
    known = [how for how, mode in _MODES.items() if mode in modes]
    if len(known) != 1 or any(mode not in (*_MODES.values(), "include_prompt") for mode in modes):
        remedy = f"Name a model whose vectors are made by one of {', '.join(_MODES)}"
        raise InputError(Problem(f"vectors are made by {' and '.join(modes) or 'nothing'}", remedy, str(file)))
    return known[0]


def prefix_of(folder: Path, names: Iterable[str]) -> str:
    """What each of the texts must begin with that the model in a folder compares with each other; empty where they begin as they are.

    The prompts that sentence-transformers reads there decide: that for classification, similarity or clustering, or else that of a query
    where passages have one too. Without prompts E5 (Wang et al. 2022, arXiv:2212.03533) is known by one of its ``names``; its authors'
    README asks for ``query: `` before both of two texts of one kind.
    """
    file = folder / "config_sentence_transformers.json"
    prompts = json.loads(file.read_text(encoding="utf-8")).get("prompts") if file.exists() else None
    known = {str(name).lower(): str(prompt) for name, prompt in (prompts or {}).items()}
    wanted = (*_ALIKE, *(["query"] if any(known.get(name) for name in _PAIRED) else []))
    if any(known.values()):
        return next((known[name] for name in wanted if known.get(name)), "")
    return "query: " if any(map(_E5.search, names)) else ""
