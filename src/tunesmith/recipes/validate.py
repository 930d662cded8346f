"""From what is written to a checked object, and back: types, ranges and choices follow from the fields of a dataclass."""

from __future__ import annotations

import functools
import json
import math
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tunesmith.core.clock import Span
from tunesmith.core.errors import InputError
from tunesmith.data.settings import IN_MEMORY, Sources
from tunesmith.recipes.document import Document, Keys
from tunesmith.recipes.find import did_you_mean

LONGEST = 100  # files in a list; a longer list is data

T = TypeVar("T")
Remedy = Callable[[str, Iterable[str]], str]

_NAMES = {
    Any: "any value",
    int: "a whole number",
    float: "a number",
    bool: "on or off",
    str: "a text",
    list: "a list",
    dict: "a mapping",
    Path: "a path",
}
_SWITCHES = {"on": True, "yes": True, "off": False, "no": False}


def build(kind: type[T], given: Any, document: Document, keys: Keys, remedy: Remedy = did_you_mean) -> T | None:
    """An instance of the dataclass ``kind`` from its settings by name, or a fresh copy where ``given`` is an instance already.

    What is wrong is written into ``document``, under ``keys``; then the answer is None. ``remedy`` says what to do about a
    setting that does not exist.
    """
    known = {field.name: field for field in _settings(kind)}
    asked = given
    if isinstance(given, kind):
        given = {name: getattr(given, name) for name in known}
        asked = {name: value for name, value in given.items() if not _is_default(kind, known[name], value)}
    if not isinstance(given, dict):
        document.refuse(keys, f"{document.name(keys)} must be a mapping of settings", f"Write {document.name(keys)}: {{...}}")
        return None
    given = {name: value for name, value in given.items() if value is not None or not _replaced(kind, name, given)}
    before = len(document.problems)
    for name in given.keys() - known.keys():
        document.refuse((*keys, name), f"There is no setting '{name}' in {document.name(keys)}", remedy(name, known))
    for name, field in known.items():
        if name not in given and field.default is MISSING and field.default_factory is MISSING:
            document.refuse(keys, f"{document.name((*keys, name))} is missing", f"Add {name}: {field.metadata.get('text', '')}")
    values = {name: _checked(kind, known[name], value, document, (*keys, name)) for name, value in given.items() if name in known}
    if len(document.problems) > before:
        return None
    try:
        made = kind(**values)
    except InputError as error:
        for problem in error.problems:
            parts = problem.key.split(".")
            inner = next((parts[place:] for place, part in enumerate(parts) if part in known), [])
            document.refuse((*keys, *inner), problem.message, problem.remedy)
        return None
    _refuse_unread(made, given.keys() & set(asked), document, keys)
    return made


def conform(hint: Any, value: Any) -> Any:
    """``value`` as the type ``hint``; spans are read from texts and numbers. Raises ``ValueError`` with what it must be."""
    from pydantic import ValidationError

    leaves = set(_leaves(hint))
    if hint is Any or (hint == Sources and isinstance(value, Mapping)) or (value is None and type(None) in leaves):
        return value
    if Span in leaves:
        return [_span(item, hint) for item in value] if list in leaves and isinstance(value, list) else _span(value, hint)
    try:
        return _adapter(hint).validate_json(json.dumps(_eased(value, leaves)), strict=True)
    except (ValidationError, TypeError):
        raise ValueError(f"must be {described(hint)}") from None


def described(hint: Any) -> str:
    """A type in words: ``int | list[str]`` is "a whole number or a list (a text)"."""
    origin, inner = get_origin(hint), [item for item in get_args(hint) if item not in (type(None), ...)]
    if origin is Annotated:
        return described(inner[0])
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin in (Union, types.UnionType):
        return " or ".join(map(described, inner))
    name = _NAMES.get(origin or hint, "a list" if origin in (tuple, set, frozenset) else str(hint))
    return f"{name} ({' to '.join(map(described, inner))})" if inner else name


def as_plain(part: Any, changed_only: bool = False) -> dict[str, Any]:
    """The settings of a dataclass as YAML values, in the order of its fields; those that are not read are left out.

    ``changed_only`` leaves out those that have their default, too.
    """
    kind: type = type(part)
    unread = {name for name, (other, allowed) in _applies(part).items() if getattr(part, other) not in allowed}
    return {
        field.name: plain(getattr(part, field.name), _hints(kind)[field.name])
        for field in _settings(kind)
        if field.name not in unread and not (changed_only and _is_default(kind, field, getattr(part, field.name)))
    }


def _checked(kind: type, field: Field[Any], value: Any, document: Document, keys: Keys) -> Any:
    try:
        converted = conform(_hints(kind)[field.name], value)
        _in_range(converted, field.metadata)
    except InputError as error:  # a span
        document.refuse(keys, f"{document.name(keys)}: {error.problems[0].message}", error.problems[0].remedy)
    except ValueError as error:
        about = str(field.metadata.get("text", ""))
        document.refuse(keys, f"{document.name(keys)} {error}, not {_shown(value)}", about[:1].upper() + about[1:])
    else:
        return converted
    return value


def _in_range(value: Any, metadata: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` where a number or a length of time, or one in a list, is out of its range, or a value is none of the choices."""
    low, high, above, choices = (metadata.get(name) for name in ("low", "high", "above", "choices"))
    items = list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list | tuple) else [value]
    for item in items:
        item = item.value if isinstance(item, Span) else item
        if item is None:
            continue
        if choices and item not in choices:
            raise ValueError(f"must be {' or '.join(map(str, choices))}")
        if isinstance(item, bool) or not isinstance(item, int | float):
            continue
        if not math.isfinite(item):
            raise ValueError("must be finite")
        if (low is not None and item < low) or (high is not None and item > high) or (above is not None and item <= above):
            limits = {"at least": low, "above": above, "at most": high}
            raise ValueError("must be " + " and ".join(f"{words} {limit:g}" for words, limit in limits.items() if limit is not None))


def _refuse_unread(made: Any, given: Iterable[str], document: Document, keys: Keys) -> None:
    for name, (other, allowed) in _applies(made).items():
        value = getattr(made, other)
        if name in given and value not in allowed:
            remedy = f"Take it out, or choose {other}: {' or '.join(map(str, allowed))}" if any(allowed) else "Take one of the two out"
            document.refuse((*keys, name), f"{document.name((*keys, name))} is not read where {other} is {value}", remedy)


def _span(value: Any, hint: Any) -> Span:
    """A span. Its natural unit stands in the type, ``Annotated[Span, "st"]``; part of a step is no length."""
    natural = next((unit for unit in _leaves(hint, units=True) if isinstance(unit, str)), "ep")
    span = Span.parse(value, natural)
    if natural == "st" and span.unit == "st" and not span.value.is_integer():
        raise ValueError(f"must be whole steps, or a share of the run: {100 * span.value:g}%")
    return span


def _eased(value: Any, leaves: set[Any]) -> Any:
    """What YAML and Python spell in more than one way, brought to the one that the type wants."""
    if isinstance(value, str) and bool in leaves and str not in leaves:
        return _SWITCHES.get(value.lower(), value)
    if isinstance(value, float) and value.is_integer() and int in leaves and float not in leaves:
        return int(value)
    return str(value) if isinstance(value, Path) else value


def _leaves(hint: Any, units: bool = False) -> Iterator[Any]:
    """The plain types within a type, containers among them; ``units`` adds what is annotated."""
    yield get_origin(hint) or hint
    for inner in get_args(hint)[: None if units or get_origin(hint) is not Annotated else 1]:
        yield from _leaves(inner, units) if not isinstance(inner, str) else (inner,)


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_default(kind: type, field: Field[Any], value: Any) -> bool:
    hint = _hints(kind)[field.name]
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return bool(plain(value, hint) == plain(default, hint))


def plain(value: Any, hint: Any) -> Any:
    """A setting as YAML has it, 1.0 for the 1 of a float. Data in memory, a DataFrame for example, become a text that says so."""
    if isinstance(value, Span | Path):
        return str(value)
    if hint == Sources:
        return {name: plain(item, Any) for name, item in value.items()}
    if hint is Any and not _is_short(value):
        return f"({type(value).__name__}{IN_MEMORY}"
    if isinstance(value, list | tuple):
        return [plain(item, None) for item in value]
    return float(value) if type(value) is int and int not in (leaves := set(_leaves(hint))) and float in leaves else value


def _is_short(value: Any) -> bool:
    """Whether a value of any type is one that a person writes into a recipe: a word, a number, a few files."""
    words = value if isinstance(value, list | tuple) and len(value) <= LONGEST else [value]
    return all(word is None or isinstance(word, str | int | float | Path) for word in words)


def _applies(part: Any) -> Mapping[str, tuple[str, tuple[Any, ...]]]:
    return getattr(part, "applies", {})


def _replaced(kind: type, name: str, given: Mapping[str, Any]) -> bool:
    """Whether another setting that is given takes the place of one."""
    other, allowed = _applies(kind).get(name, ("", ()))
    return given.get(other) is not None and given[other] not in allowed


def _settings(kind: type) -> list[Field[Any]]:
    return [field for field in fields(kind) if field.init]


@functools.cache
def _adapter(hint: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(hint)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)
