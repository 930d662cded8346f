"""Media come from files, bytes and arrays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.core.task import RowError
from tunesmith.data.media import as_feature, called, checked, digest, is_there, medium_of, of_feature


def drawn(value: object) -> bytes:
    return repr(value).encode()


def test_what_a_cell_may_hold(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"content")
    assert medium_of(str(file), "image", drawn) == str(file)
    assert medium_of({"bytes": None, "path": str(file)}, "image", drawn) == str(file)
    assert medium_of({"bytes": b"content", "path": "lost.png"}, "image", drawn) == b"content"
    assert medium_of(b"content", "image", drawn) == b"content"
    assert medium_of([[1]], "image", drawn) == b"[[1]]"


@pytest.mark.parametrize(
    ("value", "said"), [("lost.png", "lost.png is not there"), (".", "is a folder"), (None, "no image"), (b"", "no image")]
)
def test_what_is_not_there(value: object, said: str) -> None:
    with pytest.raises(RowError, match=said) as raised:
        medium_of(value, "image", drawn)
    assert raised.value.column == "image"


def test_a_picture_in_the_cell_itself_is_no_name_of_a_file(tmp_path: Path) -> None:
    value = f"data:image/png;base64,{'iVBORw0KGgo' * 500}"
    with pytest.raises(RowError, match=r"the file data:image/png;base64,\w+\.\.\. is not there") as raised:
        medium_of(value, "image", drawn)
    assert len(raised.value.message) < 400
    assert not is_there(value)
    assert not is_there("a\0b")
    assert not is_there(str(tmp_path))
    assert is_there(str(tmp_path), Path.is_dir)


def test_a_medium_is_decoded_once(tmp_path: Path) -> None:
    asked: list[str | bytes] = []

    def check(medium: str | bytes) -> float:
        asked.append(medium)
        return 2.0

    file = tmp_path / "a.png"
    file.write_bytes(b"content")
    assert [checked(medium, check) for medium in (str(file), str(file), b"content", b"content")] == [2.0] * 4
    assert asked == [str(file), b"content"]
    file.write_bytes(b"other content")
    checked(str(file), check)
    assert len(asked) == 3


def test_a_medium_is_told_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    assert digest(str(tmp_path / "a")) == digest(b"content") != digest(b"other")


@pytest.mark.parametrize("medium", ["/pictures/Käse.png", bytes(range(256))])
def test_features_hold_it_as_numbers(medium: str | bytes) -> None:
    assert of_feature(as_feature(medium)) == medium


def test_what_it_is_called() -> None:
    assert called("a.png", "image") == "a.png"
    assert called(bytes(2000), "image") == "image of 2,000 bytes"
