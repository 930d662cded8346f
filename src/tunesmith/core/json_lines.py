"""Files of JSON lines, as runs and samples hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_lines(path: Path) -> list[str]:
    """The lines of a file, with their ends. Only a line feed ends one: texts hold others that ``str.splitlines`` takes for ends."""
    with path.open(encoding="utf-8", newline="\n") as file:
        return file.readlines()


def read_values(path: Path) -> list[Any]:
    """The value of each line."""
    return [json.loads(line) for line in read_lines(path)]
