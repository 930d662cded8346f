"""Pages say what the code says, their recipes can be read, and their links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from house import source
from house.source import ROOT
from tunesmith.core.errors import InputError
from tunesmith.recipes import yaml
from tunesmith.recipes.recipe import recipe_from

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
DATA = {"train": "reviews.csv"}
TASKS = ("text_classification", "image_classification", "chat")  # between them they have what strategies need of one task
RESTS = [{"task": task, "data": DATA} for task in TASKS]
RESTS.append({"tasks": {name: {"task": TASKS[0], "data": DATA} for name in ("stars", "topic")}})
WHOLE = {"tasks", "sequence", "stages"}  # say by themselves what the tasks and data are
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


def recipes(page: Path) -> list[tuple[int, str]]:
    """The YAML blocks of a page, each with the line where it starts."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, found.start(1)) + 1, found[1]) for found in YAML.finditer(text)]


def refused(place: str, block: str) -> list[str]:
    """What is wrong with a recipe, or with a part of one: whatever it does not say is said for it, in a way that fits."""
    value, _ = yaml.parse(block, place)
    found = []
    for rest in [{}] if value.keys() & WHOLE else RESTS[:1] if "task" in value else RESTS:
        try:
            recipe_from({"model": "sample:minilm"} | rest | value)
            return []
        except InputError as error:
            found.append([f"{place}: {problem}" for problem in error.problems])
    return found[0]


def test_recipes_in_pages_can_be_read() -> None:
    found = [(f"{page.relative_to(ROOT)}:{line}", block) for page in markdown() for line, block in recipes(page)]
    assert len(found) > 10
    source.report(fault for place, block in found for fault in refused(place, block))


def test_a_recipe_that_cannot_be_read_is_caught(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n```yaml\nstrategies:\n  - r_drop: {strenght: 1.0}\n```\n```yaml\nseed: 1\n```\n")
    (line, wrong), (_, right) = recipes(page)
    assert line == 3
    assert "strenght" in refused("page.md:3", wrong)[0]
    assert refused("page.md:7", right) == []


def test_generated_pages_say_what_the_code_says(build: ModuleType) -> None:
    source.report(f"docs/{name}: this is not what the code says; type make docs" for name in build.stale(build.pages()))


def test_a_stale_page_is_caught(build: ModuleType, tmp_path: Path) -> None:
    written = {name: f"{build.BEGIN} -->\n{name}" for name in ("a.md", "b.md", "c.md")}
    (tmp_path / "a.md").write_text(written["a.md"])
    (tmp_path / "b.md").write_text(f"{build.BEGIN} -->\nold")
    (tmp_path / "of_a_strategy_that_is_gone.md").write_text(build.BEGIN)
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
