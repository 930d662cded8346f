"""The catalogue is complete and consistent; reading it costs nothing."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tunesmith.samples.catalogue import SAMPLES, Sample, find

PERMITTED = {"MIT", "Apache-2.0", "CC-BY-4.0", "CC-BY-SA-3.0"}


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=list(SAMPLES))
def test_an_entry_says_all_there_is_to_say(sample: Sample) -> None:
    assert find(sample.name) is sample
    assert re.fullmatch("[a-z][a-z0-9_]*", sample.name)
    assert sample.about
    assert not sample.about.endswith(".")
    assert sample.task
    assert sample.size_mb > 0
    assert bool(sample.rows) == (sample.kind == "data")
    assert all(sample.rows.get(split, 1) for split in ("train", "validation", "test"))


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=list(SAMPLES))
def test_a_package_is_pinned_and_its_licence_permitted(sample: Sample) -> None:
    if sample.form == "lists":
        assert (sample.version, sample.sha256) == ("", "")
        return
    assert re.fullmatch("[0-9a-f]{64}", sample.sha256)
    assert sample.version
    assert set(sample.licence.split(" AND ")) <= PERMITTED


def test_one_package_has_one_digest() -> None:
    pins = {(sample.package, sample.version, sample.sha256, sample.size_mb) for sample in SAMPLES.values()}
    assert len(pins) == len({package for package, *_ in pins})


def test_the_layer_needs_nothing_but_the_standard_library() -> None:
    program = "import sys, tunesmith.samples.fetch; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "tunesmith" in loaded
    assert not {"torch", "numpy", "transformers", "pyarrow", "safetensors"} & set(loaded)
