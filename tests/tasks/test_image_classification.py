"""Image classification: what is read and refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tunesmith.core.errors import InputError
from tunesmith.data.load import load
from tunesmith.data.settings import DataSettings
from tunesmith.tasks.image_classification import ImageClassification


def test_broken_pictures_are_told_by_their_lines(tmp_path: Path) -> None:
    Image.new("L", (4, 4), 9).save(tmp_path / "good.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
    (tmp_path / "rows.csv").write_text("image,label\ngood.png,a\nlost.png,b\ncut.png,a\n,b\ngood.png,b\n")
    with pytest.raises(InputError) as raised:
        load(DataSettings(train=str(tmp_path / "rows.csv"), validation=None), ImageClassification(), 0)
    found = [(problem.line, problem.column) for problem in raised.value.problems]
    assert found == [(3, "image"), (4, "image"), (5, "image")]
    assert "lost.png is not there" in str(raised.value)


def test_paths_start_from_the_folder_of_the_data(tmp_path: Path) -> None:
    for name, shade in (("a.png", 0), ("b.png", 255)):
        Image.new("RGB", (4, 4), (shade, 0, 0)).save(tmp_path / name)
    (tmp_path / "rows.jsonl").write_text('{"img": "a.png", "class": "dark"}\n{"img": "b.png", "class": "red"}\n')
    data = load(DataSettings(train=str(tmp_path / "rows.jsonl"), validation=None), task := ImageClassification(), 0)
    assert (task.kind, task.labels) == ("single", ["dark", "red"])
    assert data.train[1] == {"image": str(tmp_path / "b.png"), "label": 1}


@pytest.mark.parametrize(("values", "kind", "truth"), [([["a"], ["a", "b"]], "multi", [0, 1]), ([0.5, 1.5], "regression", 1.5)])
def test_other_kinds(values: list[object], kind: str, truth: object) -> None:
    task, raw = ImageClassification.example()
    rows = [{**row, "label": value} for row, value in zip(raw, values, strict=False)]
    task.learn(rows)
    assert task.kind == kind
    assert task.read(rows[1])["label"] == truth


def test_a_name_of_a_file_is_no_text() -> None:
    """TF-IDF would read the answer off ``cats/1.png``."""
    assert "text" not in ImageClassification.offers
