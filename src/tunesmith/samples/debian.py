"""Package descriptions of the Debian archive: topics (its sections), tags (debtags), summaries (the one-line synopsis)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path

from tunesmith.samples.split import Splits, digest, reserved, split, unique

FAMILY = "topic_debian"
PACKAGES, DESCRIPTIONS = "*_main_binary-*_Packages", "*_main_i18n_Translation-en"  # the lists that are read
# fmt: off
SECTIONS = frozenset((
    "admin", "database", "editors", "electronics", "fonts", "games", "graphics", "hamradio", "localization", "mail",
    "math", "net", "otherosfs", "science", "sound", "text", "utils", "vcs", "video", "web",
))
# fmt: on
PER_SECTION = 600
FACETS = frozenset(("role", "use", "works-with", "interface", "field", "uitoolkit"))
RARE = 150  # a tag on fewer packages is not learnt
LONGEST = 700  # characters of a description that is classified


@dataclass(frozen=True)
class Package:
    """One package: its source package (packages of one source are alike), its section, its tags and its description."""

    name: str
    source: str
    section: str
    tags: tuple[str, ...]
    synopsis: str
    paragraphs: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.synopsis}\n{' '.join(self.paragraphs)}"[:LONGEST].strip()


def topics(lists: Path) -> Splits:
    """Which of twenty sections of the archive a description belongs to."""
    rows, count = [], Counter[str]()
    for package in sorted(packages(lists), key=lambda package: digest("order-v1", package.name)):
        count[package.section] += 1
        if package.section in SECTIONS and count[package.section] <= PER_SECTION:
            rows.append({"text": package.text, "label": package.section, "package": package.name, "group": package.source})
    return split(FAMILY, unique(rows, "text"))


def tags(lists: Path) -> Splits:
    """Which tags volunteers gave to a package: several labels a text."""
    described = list(packages(lists))
    count = Counter(tag for package in described for tag in package.tags if tag.partition("::")[0] in FACETS)
    rows = [
        {"text": package.text, "labels": labels, "package": package.name, "group": package.source}
        for package in described
        if (labels := [tag for tag in package.tags if count[tag] >= RARE])
    ]
    return split(FAMILY, unique(rows, "text"), limit=12_000)


def summaries(lists: Path) -> Splits:
    """The long description as ``source``, the one-line synopsis as ``target``."""
    rows = []
    for package in packages(lists):
        body = "\n".join(package.paragraphs)
        if 250 <= len(body) <= 3000 and len(package.synopsis) >= 15:
            rows.append({"source": body, "target": package.synopsis, "package": package.name, "group": package.source})
    return split(FAMILY, unique(unique(rows, "source"), "target"), limit=12_000)


def packages(lists: Path) -> Iterator[Package]:
    """The packages of the main archive that have an English description, but for the reserved ones."""
    english = {
        record["Description-md5"]: record["Description-en"]
        for record in _records(_largest(lists, DESCRIPTIONS), "Description-md5", "Description-en")
    }
    for record in _records(_largest(lists, PACKAGES), "Package", "Source", "Section", "Tag", "Description-md5"):
        source = record.get("Source", record["Package"]).split()[0]
        text = english.get(record.get("Description-md5", ""))
        if text and not reserved("debian", source):
            synopsis, *lines = text.split("\n")
            labels = sorted(tag.strip() for tag in record.get("Tag", "").replace("\n", " ").split(",") if tag.strip())
            yield Package(record["Package"], source, record.get("Section", ""), tuple(labels), synopsis.strip(), _paragraphs(lines))


def _paragraphs(lines: list[str]) -> tuple[str, ...]:
    """The lines of a description, joined; a line with a single full stop parts two paragraphs."""
    parts = groupby((line.strip() for line in lines), key=lambda line: line in (".", ""))
    return tuple(" ".join(part) for parting, part in parts if not parting)


def _largest(lists: Path, pattern: str) -> Path:
    """The main archive's list: those of updates and security have the same name and are much smaller."""
    return max(lists.glob(pattern), key=lambda path: path.stat().st_size)


def _records(path: Path, *fields: str) -> Iterator[dict[str, str]]:
    """The records of a Debian control file, with the fields that are asked for; lines that go on are joined by line feeds."""
    record: dict[str, str] = {}
    field = ""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for line in chain((line.rstrip("\n") for line in lines), ("",)):
            if not line and record:
                yield record
                record = {}
            elif line.startswith((" ", "\t")):
                if field in record:
                    record[field] += "\n" + line
            else:
                field, _, value = line.partition(":")
                if field in fields:
                    record[field] = value.strip()
