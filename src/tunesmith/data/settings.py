"""The data part of a recipe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.setting import setting

AUTO = "auto"
SPLITS = ("train", "validation", "test")
HELD_OUT = 0.1  # the share of the training rows that validates where nothing else is said
IN_MEMORY = " in memory)"  # ends what a written recipe says of data that no file holds
Sources = dict[str, Annotated[Any, "rows"]]
_NAME = re.compile(r"\w[\w-]*")  # it becomes the name of a file


@dataclass
class DataSettings:
    """Where the rows are and how they are used."""

    train: Any = setting(text="rows to learn from: a file, a list of files, a folder, sample:name, a hub id, or values of Python")
    validation: Any = setting(
        AUTO, "rows to choose by: like train, or a share held out of it; auto: the folder's or sample's own, else 10%"
    )
    test: Any = setting(AUTO, "rows to judge by: like validation, or null for none; auto: the folder's or sample's own, else none")
    tests: Sources = setting(
        factory=dict, text="further rows to judge by, under names of their own: {target: FILE}; base and tuned model are scored on each"
    )
    columns: dict[str, str] = setting(
        factory=dict,
        text="which column is which: {text: review, label: stars}; found by name where absent; group: who is compared; difficulty",
    )
    labels: dict[str, str] = setting(factory=dict, text="names for the values of the label column: {0: negative, 1: positive}")
    on_bad_row: str = setting("stop", "what a row that cannot be used does; skipped rows are counted and listed", choices=("stop", "skip"))
    max_rows: int | None = setting(None, "use at most so many training rows, chosen by a hash of their text", low=1)
    shots: int | None = setting(None, "use so many training rows of each label (few-shot), chosen by a hash of their text", low=1)
    split_seed: int | None = setting(
        None, "start of the random numbers that choose held-out rows, max_rows and shots; that of the recipe when absent", low=0
    )
    deduplicate: str = setting(
        "none",
        "training rows that are left out: exact: those that repeat an earlier one, or one to choose or judge by; near: alike ones too",
        choices=("none", "exact", "near"),
    )

    def __post_init__(self) -> None:
        for name, given in self.tests.items():
            if not _NAME.fullmatch(name) or name in SPLITS:
                taken = "is that of other rows" if name in SPLITS else "cannot be the name of rows"
                raise InputError(Problem(f"'{name}' {taken}", "Use another, of letters, digits, - and _", key=f"tests.{name}"))
            if share(given, f"tests.{name}") is not None:
                raise InputError(
                    Problem("only validation and test can be a share of the training rows", "Name a file", key=f"tests.{name}")
                )


def share(value: Any, key: str) -> float | None:
    """The share (0 to 1, both excluded) that ``"10%"`` or ``0.1`` means; ``None`` for what is no number. Raises ``InputError``."""
    text = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*%\s*", value) if isinstance(value, str) else None
    number = float(text[1]) / 100 if text else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    if not 0 < number < 1:
        raise InputError(Problem(f"'{value}' is not a share of the training rows", "Write one between 0% and 100%: 10%", key=f"data.{key}"))
    return float(number)
