"""Pages say what the code says, and their links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from house import source
from house.source import ROOT

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^(`{3,}).*?^\1|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def dead_links(page: Path) -> list[str]:
    """The relative links of a Markdown page that lead to no file, or to no heading of it."""
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    dead = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (heading and heading not in anchors(target)):
            dead.append(f"{page.name}: the link {link} leads nowhere")
    return dead


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them: lower case, blanks as hyphens, no punctuation."""
    headings = re.findall(r"^#+ +(.+?)\s*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def markdown() -> list[Path]:
    return [*source.pages(), *(path for folder in source.FOLDERS for path in sorted((ROOT / folder).rglob("*.md")))]


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """``docs/build.py``, which is a command and no part of the package."""
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_lead_somewhere() -> None:
    source.report(fault for page in markdown() for fault in dead_links(page))


def test_a_dead_link_is_caught(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# Why `this`, then?\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#why-this-then) [c](https://example.org/x) [d](#own) `[e](code.md)`\n\n# Own\n"
        "[f](gone.md) [g](there.md#gone)\n```text\n[h](code.md)\n```\n"
    )
    assert dead_links(page) == ["page.md: the link gone.md leads nowhere", "page.md: the link there.md#gone leads nowhere"]


def test_generated_pages_say_what_the_code_says(build: ModuleType) -> None:
    source.report(f"docs/{name}: this is not what the code says; type make docs" for name in build.stale(build.pages()))


def test_a_stale_page_is_caught(build: ModuleType, tmp_path: Path) -> None:
    written = {name: f"{build.MARK}\n{name}" for name in ("a.md", "b.md", "c.md")}
    (tmp_path / "a.md").write_text(written["a.md"])
    (tmp_path / "b.md").write_text(f"{build.MARK}\nold")
    (tmp_path / "of_a_strategy_that_is_gone.md").write_text(build.MARK)
    (tmp_path / "by_hand.md").write_text("not generated")
    assert build.stale(written, tmp_path) == ["b.md", "c.md", "of_a_strategy_that_is_gone.md"]


def test_a_docstring_is_cut_at_its_parts(build: ModuleType) -> None:
    class Sample:
        """Does ``this``
        and that.

        Formula: a = b
          + c.
        Source: Hu 2021, section 3; rank 8; Liu 2024.
        """

    text, parts = build.described(Sample)
    assert text == "Does `this` and that."
    assert parts == {"Formula": "a = b + c.", "Source": "Hu 2021, section 3; rank 8; Liu 2024."}
    assert build.sources(parts["Source"]) == ["Hu 2021, section 3; rank 8", "Liu 2024"]
