"""WordNet from its own files, wherever the system or nltk keeps them: which words share a meaning."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from tunesmith.core.errors import InputError, Problem

KINDS = ("noun", "verb", "adj", "adv")


@lru_cache(maxsize=1)
def synonyms() -> Mapping[str, tuple[str, ...]]:
    """The words that share a meaning with each word of WordNet, without case, in order.

    Raises ``InputError`` where its files are not on this machine.
    """
    found: dict[str, set[str]] = {}
    for text in _texts():
        for line in text.splitlines():
            words = meaning(line)
            for word in words:
                found.setdefault(word, set()).update(words)
    return {word: tuple(sorted(others - {word})) for word, others in found.items() if len(others) > 1}


def meaning(line: str) -> list[str]:
    """The words of a line of a data file: ``offset file kind count word id word id ...``, the count in hexadecimal digits."""
    cells = line.split(" ", 4)
    if len(cells) < 5 or not cells[0].isdigit():
        return []
    words = cells[4].split(" ", 2 * int(cells[3], 16))[: 2 * int(cells[3], 16) : 2]
    return [word.partition("(")[0].replace("_", " ").lower() for word in words]  # an adjective may say where it stands: (a), (p), (ip)


def places() -> list[Path]:
    """Where the files may be: what WNSEARCHDIR says, where Debian puts them, and where nltk does."""
    nltk = [Path(folder) / "corpora" for folder in os.environ.get("NLTK_DATA", "").split(os.pathsep) if folder]
    nltk += [root / "nltk_data" / "corpora" for root in (Path.home(), Path("/usr/share"), Path("/usr/local/share"), Path("/usr/lib"))]
    own = [Path(folder) for folder in (os.environ.get("WNSEARCHDIR", ""),) if folder]
    return [*own, Path("/usr/share/wordnet"), *(folder / "wordnet" for folder in nltk), *(folder / "wordnet.zip" for folder in nltk)]


def _texts() -> Iterator[str]:
    for place in places():
        if (place / "data.noun").is_file():
            yield from ((place / f"data.{kind}").read_text("utf-8", "replace") for kind in KINDS)
            return
        if place.suffix == ".zip" and place.is_file():
            with zipfile.ZipFile(place) as archive:
                yield from (io.TextIOWrapper(archive.open(f"wordnet/data.{kind}"), "utf-8", "replace").read() for kind in KINDS)
            return
    remedy = "Install it: apt install wordnet-base, or python -m nltk.downloader wordnet; or leave synonym and insert out of operations"
    raise InputError(Problem("synonyms come from WordNet, whose files are not on this machine", remedy))
