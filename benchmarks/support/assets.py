"""Sets and models that no sample holds: a folder with ``data/<set>/<split>.jsonl`` and ``models/<name>``, which ``ASSETS`` names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

ASSETS = Path(os.environ.get("ASSETS", "assets")).resolve()


def here() -> bool:
    """Whether there is such a folder; says so where there is none."""
    found = (ASSETS / "data").is_dir()
    if not found:
        print(f"{ASSETS} has no folder 'data': name the folder that has the sets and models in the environment variable ASSETS.")
    return found


def table(data: str, split: str) -> list[dict[str, Any]]:
    """The rows of a set."""
    from tunesmith.core.json_lines import read_values

    return read_values(ASSETS / "data" / data / f"{split}.jsonl")
