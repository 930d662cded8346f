"""YAML as recipes use it: plain values and the place of each. Nothing in a file can run code or grow when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.recipes.document import Keys, Place

LARGEST = 1_000_000  # bytes; what is larger is no recipe
_TAG = "tag:yaml.org,2002:"
_TEXTS = {("scalar", "str"), ("scalar", "timestamp")}
_VALUES = {("scalar", "int"), ("scalar", "float"), ("scalar", "bool"), ("scalar", "null")}
_TAGGED = ("This is no text, number, list or mapping that a recipe can hold", "Take the tag (!) out, or put the text in quotes")
_MEANINGS = (  # words of the YAML reader's own message -> what to do about it
    ("\\t", "Indent with blanks, not with tabs"),
    ("cannot start any token", "Put the text in quotes"),
    ("undefined alias", "Put a text that begins with * in quotes"),
    ("mapping values are not allowed", "Put a text that contains ': ' in quotes, or start a new line"),
    ("expected a single document", "Keep one document: take out the lines ---"),
)


def read_file(path: Path) -> tuple[Any, dict[Keys, Place]]:
    """The values of a file, and where they stand. Raises ``InputError`` for a file that cannot be read."""
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(Problem("This is too large for a recipe", "Name a recipe, not a data file", str(path)))
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(Problem(f"The recipe cannot be read: {error.strerror}", "Check the path", str(path))) from None
    except UnicodeDecodeError:
        raise InputError(Problem("This is no UTF-8 text", "Name a recipe, or save the file as UTF-8", str(path))) from None
    return parse(text, str(path))


def parse(text: str, file: str) -> tuple[Any, dict[Keys, Place]]:
    """The values of a text, and where they stand. ``file`` is what messages call it.

    Raises ``InputError`` for what is no YAML, and for YAML that a recipe has no use for: tags, anchors, a key twice.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(text)
    except RecursionError:
        raise InputError(Problem("The lists and mappings are nested too deep", "Write them flatter", file)) from None
    except YAMLError as error:
        raise InputError(_syntax(error, file)) from None
    reader = _Reader(yaml.constructor, file)
    value = None if node is None else reader.read(node, ())
    if reader.problems:
        raise InputError(*reader.problems)
    return value, reader.places


def write(value: Any) -> str:
    """``value`` as YAML, keys in the order they have."""
    from io import StringIO

    from ruamel.yaml import YAML

    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = yaml.sort_base_mapping_type_on_output = False
    yaml.width = 4096
    out = StringIO()
    yaml.dump(value, out)
    return out.getvalue()


class _Reader:
    """Turns the nodes of YAML into values; mappings have texts as keys, and dates stay texts."""

    def __init__(self, constructor: Any, file: str) -> None:
        self.constructor, self.file = constructor, file
        self.places: dict[Keys, Place] = {}
        self.problems: list[Problem] = []

    def read(self, node: Any, keys: Keys, at: Any = None) -> Any:
        """The value of ``node``; ``at`` is the node that a message points to, the key of a mapping for example."""
        place = self.places[keys] = self._place(at or node)
        if node.anchor is not None:
            return self._refuse(place, "Recipes have no anchors and aliases", "Write the value out, or put it in quotes")
        kind = (node.id, node.tag.removeprefix(_TAG))
        if kind == ("mapping", "map"):
            return self._mapping(node, keys)
        if kind == ("sequence", "seq"):
            return [self.read(item, (*keys, index)) for index, item in enumerate(node.value)]
        if kind in _TEXTS:
            return node.value
        try:
            return self.constructor.construct_object(node) if kind in _VALUES else self._refuse(place, *_TAGGED)
        except ValueError:
            return self._refuse(place, *_TAGGED)

    def _mapping(self, node: Any, keys: Keys) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, inner in node.value:
            if not isinstance(key.value, str) or key.tag == _TAG + "merge":
                self._refuse(self._place(key), "A key must be a word", "Write 'key: value'")
            elif key.value in values:
                self._refuse(self._place(key), f"'{key.value}' is written twice", "Keep one of the two")
            else:
                values[key.value] = self.read(inner, (*keys, key.value), key)
        return values

    def _place(self, node: Any) -> Place:
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def _refuse(self, place: Place, message: str, remedy: str) -> None:
        self.problems.append(Problem(message, remedy, place.file, place.line, place.column))


def _syntax(error: Any, file: str) -> Problem:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or "it holds a character that no text may hold"
    said = f"{getattr(error, 'context', None) or ''} {problem}"
    remedy = next((remedy for words, remedy in _MEANINGS if words in said), "Check the brackets, quotes and indentation")
    return Problem(f"This is not YAML: {problem}", remedy, file, mark.line + 1 if mark else 0, mark.column + 1 if mark else "")
