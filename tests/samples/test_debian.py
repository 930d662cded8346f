"""Topics, tags and summaries, read from lists of a few packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from samples.packs import everything
from tunesmith.samples import debian


def write_lists(folder: Path, packages: list[dict[str, str]]) -> Path:
    """Lists as apt leaves them: the main archive's, and those of its updates, which are smaller."""
    folder.mkdir()
    records = [{"Package": "p", "Section": "games", "Description-md5": "m"} | package for package in packages]
    table = "\n".join("".join(f"{field}: {value}\n" for field, value in record.items() if field != "text") for record in records)
    texts = "\n".join(
        f"Package: {record['Package']}\nDescription-md5: {record['Description-md5']}\nDescription-en: {record['text']}\n"
        for record in records
    )
    for suite, part in (("bookworm", 1.0), ("bookworm-updates", 0.5)):
        (folder / f"host_dists_{suite}_main_binary-amd64_Packages").write_text(table[: int(len(table) * part)], "utf-8")
        (folder / f"host_dists_{suite}_main_i18n_Translation-en").write_text(texts[: int(len(texts) * part)], "utf-8")
    return folder


def numbered(count: int, **fields: str) -> list[dict[str, str]]:
    return [
        {"Package": f"p{n}", "Description-md5": f"m{n}", "text": f"synopsis of number {n}\n a long text about {n}", **fields}
        for n in range(count)
    ]


def test_topics_are_known_sections_and_sources_stay_together(tmp_path: Path) -> None:
    lists = write_lists(tmp_path / "lists", numbered(300, Section="games") + numbered(3, Section="libs"))
    splits = debian.topics(lists)
    rows = everything(splits)
    assert {row["label"] for row in rows} == {"games"}
    assert 180 < len(rows) < 240  # three tenths are reserved
    assert all(splits[name] for name in ("train", "validation", "test"))
    together = write_lists(tmp_path / "together", numbered(300, Source="one (1.2)"))
    assert sorted(map(len, debian.topics(together).values()))[:2] == [0, 0]


def test_a_section_gives_no_more_than_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "PER_SECTION", 20)
    lists = write_lists(tmp_path / "lists", numbered(100))
    assert len(everything(debian.topics(lists))) == 20


def test_descriptions_are_joined_by_paragraph(tmp_path: Path) -> None:
    lists = write_lists(tmp_path / "lists", [{"Package": "kept", "text": "a game\n first\n  line\n .\n .\n second\n ."}])
    (package,) = debian.packages(lists)
    assert (package.name, package.source, package.synopsis) == ("kept", "kept", "a game")
    assert package.paragraphs == ("first line", "second")
    assert package.text == "a game\nfirst line second"


def test_a_package_without_an_english_description_is_left_out(tmp_path: Path) -> None:
    lists = write_lists(tmp_path / "lists", [{"Package": "kept", "text": "a game"}])
    with next(lists.glob("*bookworm_main*Packages")).open("a") as table:
        table.write("\nPackage: other\nSection: games\nDescription-md5: unknown\n")
    assert [package.name for package in debian.packages(lists)] == ["kept"]


def test_tags_are_common_and_of_a_facet_that_says_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "RARE", 2)
    packages = numbered(20, Tag="role::program, use::gaming,\n suite::gnome") + numbered(1, Package="rare", Tag="use::rare")
    rows = everything(debian.tags(write_lists(tmp_path / "lists", packages)))
    assert rows
    assert all(row["labels"] == ["role::program", "use::gaming"] for row in rows)


def test_summaries_have_a_body_worth_it(tmp_path: Path) -> None:
    long = numbered(20, text="a synopsis that is unlike others\n " + "word " * 60)
    long = [package | {"text": package["text"].replace("synopsis", package["Package"]) + package["Package"]} for package in long]
    rows = everything(debian.summaries(write_lists(tmp_path / "lists", long + numbered(1))))
    assert rows
    assert all(row["source"].startswith("word word") and row["target"].startswith("a p") for row in rows)
