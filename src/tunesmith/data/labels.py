"""What label columns hold: which kind of labels, in which order, and how often."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, Literal

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import RowError

SHOWN = 8  # labels named in a line for the user
_FOUND: dict[str, int] = {}  # the position where a label was found last
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


def in_cell(value: Any, separator: str) -> Any:
    """The labels in one cell: a list where a text holds ``separator`` (``a|b``) or writes a list (``["a", "b"]``), else the value."""
    if not isinstance(value, str) or not separator:
        return value
    if value.strip().startswith("["):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            listed = ast.literal_eval(value.strip())  # JSON, and what Python and pandas write; nothing is run
            if isinstance(listed, list):
                return listed
    return [part.strip() for part in value.split(separator) if part.strip()] if separator in value else value


def kind_of(values: Sequence[Any], labels: Sequence[str] = ()) -> str:
    """``multi`` for lists of labels, ``regression`` for numbers with fractions (as numbers or as texts), else ``single``.

    Where ``labels`` are known, the values are no measures.
    """
    if any(isinstance(value, list) for value in values):
        return "multi"
    if labels:
        return "single"
    numbers = [_number(value) for value in values]
    fractions = any(found is not None and not found.is_integer() for found in numbers)
    return "regression" if fractions and None not in numbers else "single"


def _number(value: Any) -> float | None:
    """The finite number that a value is or spells."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and not isinstance(value, bool) else None


def names_of(value: Any) -> list[str]:
    """The label names in one cell: a list has several. Labels that are the same to a reader have one name, whatever the format.

    1, 1.0, "1" and "1.0" are ``1``, a blank at either end does not count, and truth values are ``true`` and ``false``.
    """
    return [_name(item) for item in (value if isinstance(value, list) else [value])]


def _name(item: Any) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    name = str(item).strip()
    whole = _WHOLE.fullmatch(name)
    return whole[1] if whole else name


def count(values: Sequence[Any]) -> dict[str, int]:
    """How many rows have each label, in the natural order of the names: numbers before texts, 2 before 10."""
    counts = Counter(name for value in values for name in dict.fromkeys(names_of(value)) if name)
    return {name: counts[name] for name in sorted(counts, key=_natural)}


def _natural(name: str) -> tuple[int, float, str]:
    number = _number(name)
    return (1, 0.0, name) if number is None else (0, number, name)


def labels_of(values: Sequence[Any], kind: str, given: Sequence[str] = ()) -> list[str]:
    """The label names, in order: those that are ``given``, else those of a label column; of numbers ``value`` alone.

    Raises ``InputError`` where the column leaves nothing to learn.
    """
    found, given = list(count(values)), [_name(label) for label in given]
    answers = found if kind == "regression" else given or found
    if len(answers) < (1 if kind == "multi" else 2):
        message = f"the only label of the training rows is '{''.join(answers)}', so there is nothing to learn"
        raise InputError(Problem(message, "Add rows with another label, or name another column under data.columns", column="label"))
    if kind == "multi" and not any(isinstance(value, list) for value in values):
        message = f"no training row has several labels: the first has '{values[0]}'"
        raise InputError(Problem(message, "Say what parts them, task.separator: ';' for example, or give lists", column="label"))
    return (given or ["value"]) if kind == "regression" else answers


def weights_of(
    values: Sequence[Any], labels: Sequence[str], given: str | Sequence[float] | Mapping[str, float]
) -> Literal["none"] | list[float]:
    """A weight for each of ``labels``: ``balanced`` from a label column, in their order, or by name; a name that is left out weighs 1.

    Raises ``InputError`` for a wrong number of weights and for names that are no labels.
    """
    if isinstance(given, str):
        return balanced(count(values), labels) if given == "balanced" else "none"
    if isinstance(given, Mapping):
        named = {_name(label): float(weight) for label, weight in given.items()}
        if unknown := [name for name in named if name not in labels]:
            raise InputError(*(Problem(f"'{name}' is no label", nearest(name, labels), key="task.class_weights") for name in unknown))
        return [named.get(label, 1.0) for label in labels]
    if len(given) != len(labels):
        message = f"{len(labels)} labels ({listed(labels)}) need as many weights, not {len(given)}"
        raise InputError(Problem(message, "Give one for each, or name them: {label: weight}", key="task.class_weights"))
    return list(map(float, given))


def summary(values: Sequence[Any], kind: str, labels: Sequence[str]) -> str:
    """What is learned from a label column, in a line for the user: ``task: one of 2 labels: good (412), bad (96)``."""
    if kind == "regression":
        numbers = [found for value in values if (found := _number(value)) is not None]
        return "task: a number" + (f", {min(numbers):g} to {max(numbers):g} in the training rows" if numbers else "")
    counts = count(values)
    often = sorted(labels, key=lambda name: -counts.get(name, 0))
    named = ", ".join(f"{name} ({counts.get(name, 0):,})" for name in often[:SHOWN])
    rest = f" and {len(often) - SHOWN:,} more" if len(often) > SHOWN else ""
    return f"task: {'one' if kind == 'single' else 'any'} of {len(labels)} labels: {named}{rest}"


def telling(labels: Sequence[str]) -> bool:
    """Whether the names say what has them: numbers, ``yes`` and ``false`` do not."""
    return not any(_number(label) is not None or label.lower() in ("true", "false", "yes", "no") for label in labels)


def balanced(counts: Mapping[str, int], labels: Sequence[str]) -> list[float]:
    """Weights that give every label the same part in the loss: n / (labels * n_label), as scikit-learn's "balanced"."""
    total = sum(counts.values())
    return [round(total / (len(labels) * max(1, counts.get(label, 0))), 6) for label in labels]


def place_of(name: str, labels: Sequence[str]) -> int:
    """The position of a name in ``labels``, where each is once; -1 where it is none of them.

    It is looked for first where it was found last: with thousands of labels, going through them would take longer than all else.
    """
    last = _FOUND.get(name, len(labels))
    if last < len(labels) and labels[last] == name:
        return last
    if name not in labels:
        return -1
    place = _FOUND[name] = labels.index(name)
    return place


def label_ids(value: Any, labels: Sequence[str]) -> list[int]:
    """The positions in ``labels`` of the names in one cell. Raises ``RowError`` for an empty name and for one that is unknown."""
    names = names_of(value)
    if value is None or not all(names) or (isinstance(value, list) and None in value):
        raise RowError("the label is empty", "Give it a label, or leave the row out", "label")
    found = {name: place_of(name, labels) for name in names}
    if unknown := [name for name, place in found.items() if place < 0]:
        raise RowError(f"'{unknown[0]}' is not a label of the training rows", nearest(unknown[0], labels), "label")
    return list(found.values())


def label_id(value: Any, labels: Sequence[str]) -> int:
    """The position in ``labels`` of the one name in a cell. Raises ``RowError`` as ``label_ids`` does, and for several names."""
    ids = label_ids(value, labels)
    if len(ids) != 1:
        raise RowError(f"{len(ids)} labels in a row", "Give one, or set task.kind: multi", "label")
    return ids[0]


def number(value: Any, labels: Sequence[str] = ()) -> float:
    """The number in a cell; ``labels`` are not looked at. Raises ``RowError`` for anything that is no finite number."""
    found = _number(value)
    if found is None:
        raise RowError(f"'{value}' is not a number", "Give a number, or set task.kind: single", "label")
    return found


def nearest(name: str, labels: Sequence[str]) -> str:
    """A remedy for a name that is no label: the nearest one, or what the labels are."""
    near = get_close_matches(name, labels, 1)
    return f"Did you mean '{near[0]}'?" if near else f"The labels are {listed(labels)}"


def listed(labels: Sequence[str]) -> str:
    """The first labels, in a sentence."""
    return ", ".join(labels[:SHOWN]) + (", ..." if len(labels) > SHOWN else "")
