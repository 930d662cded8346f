"""The files by which sentence-transformers knows a model that makes vectors of texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.errors import InputError, Problem

_MODES = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
_ALIKE = ("classification", "sts", "clustering")  # names of prompts for texts that are compared with each other
_QUERY, _PASSAGE = ("query", "search_query"), ("passage", "document", "corpus", "search_document")  # names of prompts by side
_E5 = re.compile(r"(^|[-_/])e5-(small|base|large)(?!.*instruct)", re.IGNORECASE)  # "query: " where texts are compared with each other
CONFIG = "config_sentence_transformers.json"
_PARTS = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}


def beside_the_model(pooling: str, hidden: int, max_length: int, prompts: tuple[str, str] = ("", "")) -> Mapping[str, Any]:
    """The files from which sentence-transformers knows how vectors are made: JSON contents by their paths in the model's folder.

    ``prompts`` are those of queries and of passages; where both are the same, every text begins so.
    """
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(_PARTS.items())
    ]
    known = dict(zip(("query", "passage"), prompts, strict=True)) if any(prompts) else {}
    default = "query" if known and prompts[0] == prompts[1] else None
    modes = {f"pooling_mode_{mode}": how == pooling for how, mode in _MODES.items()}
    return {
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": max_length, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": hidden, **modes},
        "2_Normalize/config.json": {},
        CONFIG: {"prompts": known, "default_prompt_name": default, "similarity_fn_name": "cosine"},
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


@dataclass(frozen=True)
class Prompts:
    """What texts begin with: all that are compared ``alike``, or a ``query`` and the ``passage`` that it is to find."""

    alike: str = ""
    query: str = ""
    passage: str = ""

    def of(self, paired: bool, query: str | None, passage: str | None) -> tuple[str, str]:
        """What the first of some texts begins with and what the others: as it is given, and where that is None as the model wants it."""
        usual = (self.query, self.passage) if paired else (self.alike, self.alike)
        return usual[0] if query is None else query, usual[1] if passage is None else passage


def told(prompts: tuple[str, str]) -> list[str]:
    """A line for the user on what texts begin with, if anything."""
    if prompts[0] == prompts[1]:
        return [f"task: each text begins with '{prompts[0]}' for the model"] if prompts[0] else []
    return [f"task: for the model an anchor begins with '{prompts[0]}', and what it is compared with with '{prompts[1]}'"]


def prompts_of(folder: Path, names: Iterable[str]) -> Prompts:
    """What texts must begin with for the model in a folder; nothing where they begin as they are.

    The prompts that sentence-transformers reads there decide. Of texts that are compared with each other it is that for classification,
    similarity or clustering, the default one, or that of a query where passages have one too. Without prompts E5 (Wang et al. 2022,
    arXiv:2212.03533) is known by one of its ``names``; its authors' README asks for ``query: `` before both of two texts of one kind.
    """
    file = folder / CONFIG
    told = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    known = {str(name).lower(): str(prompt) for name, prompt in (told.get("prompts") or {}).items() if prompt}
    if not known:
        return E5 if any(map(_E5.search, names)) else Prompts()
    usual = str(told.get("default_prompt_name")).lower()
    query, passage = (next((known[name] for name in (*sides, usual) if name in known), "") for sides in (_QUERY, _PASSAGE))
    wanted = (*_ALIKE, usual, *(["query"] if any(name in known for name in _PASSAGE) else []))
    return Prompts(next((known[name] for name in wanted if name in known), ""), query, passage)


def prefix_of(folder: Path, names: Iterable[str]) -> str:
    """What each of the texts must begin with that the model in a folder compares with each other: see ``prompts_of``."""
    return prompts_of(folder, names).alike


E5 = Prompts("query: ", "query: ", "passage: ")
