"""WordNet's files: words of a meaning, places, and a remedy where they are not."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.core.errors import InputError
from tunesmith.data import wordnet

NOUN = "  1 This software and database is being provided to you\n06613686 10 n 05 movie 0 film 0 picture 6 moving_picture 0 flick 3 012 @ 1"
ADJECTIVE = "01123148 00 a 01 good 0 056 ^ 0\n01125429 00 s 02 big(p) 5 bad 0 001 & 0"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    wordnet.synonyms.cache_clear()
    yield
    wordnet.synonyms.cache_clear()


def written(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for kind in wordnet.KINDS:
        (folder / f"data.{kind}").write_text({"noun": NOUN, "adj": ADJECTIVE}.get(kind, ""), encoding="utf-8")
    return folder


def test_words_of_a_meaning_are_synonyms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WNSEARCHDIR", str(written(tmp_path / "dict")))
    found = wordnet.synonyms()
    assert found["film"] == ("flick", "movie", "moving picture", "picture")
    assert found["bad"] == ("big",)
    assert "good" not in found


def test_the_archive_of_nltk_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "wordnet")
    (tmp_path / "corpora").mkdir()
    with zipfile.ZipFile(tmp_path / "corpora" / "wordnet.zip", "w") as archive:
        for kind in wordnet.KINDS:
            archive.write(folder / f"data.{kind}", f"wordnet/data.{kind}")
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    monkeypatch.setattr(wordnet, "places", lambda: [tmp_path / "corpora" / "wordnet.zip"])
    assert "movie" in wordnet.synonyms()["film"]


def test_places_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WNSEARCHDIR", "/one")
    monkeypatch.setenv("NLTK_DATA", "/two")
    assert wordnet.places()[0] == Path("/one")
    assert Path("/two/corpora/wordnet.zip") in wordnet.places()


def test_without_its_files_there_is_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordnet, "places", lambda: [Path("/nowhere")])
    with pytest.raises(InputError, match="apt install wordnet-base"):
        wordnet.synonyms()
