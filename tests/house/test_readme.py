"""The code in README.md runs: each Python block in a process of its own, in an empty folder.

A block below a line ``<!-- slow -->`` takes minutes, or fetches a sample, and is run by ``make test-slow``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from house.source import ROOT

BLOCK = re.compile(r"^(<!-- slow -->\n+)?```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A Python block of a page: the line where it starts, its code, and whether it is slow."""

    line: int
    code: str
    slow: bool


def blocks(text: str) -> list[Block]:
    return [Block(text.count("\n", 0, found.start(2)) + 1, found[2], bool(found[1])) for found in BLOCK.finditer(text)]


README = blocks((ROOT / "README.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("block", [pytest.param(b, id=f"README.md:{b.line}", marks=[pytest.mark.slow] * b.slow) for b in README])
def test_it_runs(block: Block, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", block.code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"README.md:{block.line}\n{done.stderr[-2000:]}"


def test_blocks_are_found() -> None:
    text = "# Title\n```python\na = 1\n```\n```yaml\nb: 1\n```\n<!-- slow -->\n\n```python\nc = 1\nd = 2\n```\n"
    assert blocks(text) == [Block(3, "a = 1\n", False), Block(11, "c = 1\nd = 2\n", True)]
