"""Rows before and after a strategy changed them, as texts: what augmentation shows of itself."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from tunesmith.core.task import Row

EXAMPLES = 10  # that are shown


def changed_texts(pairs: Iterable[tuple[Row, Row]], tokenizer: Any) -> list[tuple[str, str]]:
    """The first pairs of encoded rows that differ, as texts; no others are asked for."""
    differing = (pair for pair in pairs if pair[0]["input_ids"] != pair[1]["input_ids"])
    return [(_text(before, tokenizer), _text(after, tokenizer)) for before, after in islice(differing, EXAMPLES)]


def _text(row: Row, tokenizer: Any) -> str:
    return str(tokenizer.decode(row["input_ids"], skip_special_tokens=True))
