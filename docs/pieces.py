"""Pieces of a generated page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tunesmith.recipes import yaml

BEGIN = "<!-- Written by docs/build.py"
MARK = f"{BEGIN} from the code: change the docstring or the setting, then `make docs`. -->"


def linked(names: Iterable[str], folder: str = "strategies") -> str:
    return ", ".join(f"[{name}]({folder}/{name}.md)" for name in names)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    cells = ([cell.replace("|", r"\|") for cell in row] for row in (head, ("---",) * len(head), *rows))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def recipe(value: dict[str, Any]) -> str:
    return f"```yaml\n{yaml.write(value).strip()}\n```"


def page(title: str, *blocks: str) -> str:
    return "\n\n".join((f"# {title}", MARK, *blocks)) + "\n"


def code(folder: str, name: str) -> str:
    return f"Code: [{name}.py](../../src/tunesmith/{folder}/{name}.py)"


def capitalised(text: str) -> str:
    """``text`` with a capital at its start, unless its first word has a form of its own, like rsLoRA."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].islower() else text
