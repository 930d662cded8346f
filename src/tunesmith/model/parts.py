"""Models made of two pre-trained ones: which pairs there are, and how a pair is written in one text: ``encoder=SPEC,decoder=SPEC``."""

from __future__ import annotations

import re
from collections.abc import Mapping

# The roles of the two parts -> the module of this folder that joins them. To add a pair, add a line and the module. The module has
#     join(parts: Sequence[ModelSource], head: Head, dtype: torch.dtype) -> tuple[Loaded, Any]
# which gets the sources of the parts, in the order of their roles, and returns the module with what is fresh in it (see
# ``tunesmith.model.weights``) beside the tokenizer, or the processor, that feeds it. ``build`` does all the rest: the parts are
# resolved and whole when ``join`` is called, libraries are quiet, and torch's random numbers are seeded for what is fresh.
PAIRS: dict[tuple[str, str], str] = {
    ("encoder", "decoder"): "encoder_decoder",
    ("vision", "text"): "vision_text",
}

_WRITTEN = {roles: re.compile(f"{roles[0]}=(.+?),{roles[1]}=(.+)") for roles in PAIRS}


def parts_of(spec: str) -> dict[str, str]:
    """The two models that a text names, by role; nothing where it names one model."""
    found = ((roles, written.fullmatch(spec)) for roles, written in _WRITTEN.items())
    return next((dict(zip(roles, match.groups(), strict=True)) for roles, match in found if match), {})


def as_spec(parts: Mapping[str, str]) -> str:
    """Two models by role as one text, which ``parts_of`` reads. Raises ``ValueError`` for roles that make no pair."""
    for roles in PAIRS:
        if set(roles) == set(parts):
            return ",".join(f"{role}={parts[role]}" for role in roles)
    raise ValueError(f"{' and '.join(parts) or 'nothing'} is no pair of models")


def known() -> str:
    """``encoder and decoder, or vision and text``."""
    return ", or ".join(" and ".join(roles) for roles in PAIRS)
