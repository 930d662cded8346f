"""Archives give the files they hold, and nothing outside."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from samples.packs import Pack
from tunesmith.core.errors import IntegrityError
from tunesmith.samples.archive import Archive


@pytest.fixture(params=["wheel", "sdist"])
def pack(request: pytest.FixtureRequest) -> Pack:
    return request.getfixturevalue(request.param)


def test_a_file_is_found_by_the_end_of_its_path(pack: Pack) -> None:
    with Archive(pack({"tool-1.0/data/rows.txt": "héllo", "tool-1.0/data/more/narrows.txt": "no"})) as archive:
        assert archive.text("rows.txt") == "héllo"
        assert archive.read("data/rows.txt") == "héllo".encode()


@pytest.mark.parametrize("end", ["absent.txt", "twice.txt"])
def test_no_file_and_two_files_are_refused(pack: Pack, end: str) -> None:
    with (
        Archive(pack({"a/twice.txt": "", "b/twice.txt": ""})) as archive,
        pytest.raises(IntegrityError, match=rf"{end}.*not one"),
    ):
        archive.read(end)


def test_files_below_a_folder(pack: Pack) -> None:
    with Archive(pack({"a/model/z": "", "a/model/sub/b": "", "a/models/c": "", "model/d": ""})) as archive:
        assert archive.under("a/model") == ["a/model/sub/b", "a/model/z"]


def test_bytes_that_are_not_utf8_show(pack: Pack) -> None:
    with Archive(pack({"old.txt": b"caf\xe9"})) as archive:
        assert archive.text("old.txt") == "caf\ufffd"


def test_only_a_line_feed_ends_a_line(pack: Pack) -> None:
    with Archive(pack({"rows.jsonl": '{"text": "one\u2028line"}\n\n{"text": "two"}\n'})) as archive:
        assert archive.json_lines("rows.jsonl") == [{"text": "one\u2028line"}, {"text": "two"}]


def test_an_archive_in_an_archive(pack: Pack) -> None:
    inner = pack({"in/deep.txt": "found"}).read_bytes()
    with Archive(pack({"outer/inner.bin": inner})) as outer, Archive(outer.read("inner.bin")) as archive:
        assert archive.text("deep.txt") == "found"


def test_a_copy_goes_where_the_caller_says(pack: Pack, tmp_path: Path) -> None:
    with Archive(pack({"a/weights": b"\x00\x01"})) as archive:
        archive.copy("weights", tmp_path / "new" / "here")
    assert (tmp_path / "new" / "here").read_bytes() == b"\x00\x01"


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "C:/evil"])
def test_a_path_that_leads_out_is_refused(pack: Pack, name: str) -> None:
    with pytest.raises(IntegrityError, match="leads out of it"):
        Archive(pack({"good": "", name: "evil"}))


def test_links_are_not_followed(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        link = tarfile.TarInfo("a/passwords")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with Archive(packed.getvalue()) as opened, pytest.raises(IntegrityError, match="0 files"):
        opened.read("passwords")
