"""How much memory and time there may be, as people write it: ``8GB``, ``500 MiB``, ``10min``, ``2h``."""

from __future__ import annotations

import re

from tunesmith.core.errors import InputError, Problem

_AMOUNT = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([a-z]+)\s*", re.IGNORECASE)
_BYTES = {"mb": 1e6, "gb": 1e9, "tb": 1e12, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40}
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def bytes_of(text: str) -> int:
    """The bytes of ``8GB`` or ``500MiB``. Raises ``InputError`` for anything else."""
    return int(_read(text, _BYTES, "no amount of memory", "Write 8GB or 500MB"))


def seconds_of(text: str) -> float:
    """The seconds of ``90s``, ``10min``, ``2h`` or ``1d``. Raises ``InputError`` for anything else."""
    return _read(text, _SECONDS, "no length of time", "Write 90s, 10min or 2h")


def _read(text: str, units: dict[str, float], what: str, remedy: str) -> float:
    found = _AMOUNT.fullmatch(text)
    value = float(found[1]) * units.get(found[2].lower(), 0.0) if found else 0.0
    if not value:
        raise InputError(Problem(f"'{text}' is {what}", remedy))
    return value
