"""Data sets of the hub, without a hub."""

from __future__ import annotations

import sys

import datasets
import pytest

from tunesmith.core.errors import InputError, ResourceError
from tunesmith.data.source import read

ROWS = [{"text": "good, indeed", "label": "a"}, {"text": "bad", "label": "b"}]


def test_class_numbers_of_datasets_become_names() -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    rows, _ = read(datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features))
    assert rows.column("label") == ["pos", "neg", None]


def test_a_set_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(name: str, config: str | None, split: str) -> datasets.Dataset:
        asked.append((name, config, split))
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load)
    rows, _ = read("org/mood:small/test")
    assert list(rows) == ROWS
    assert rows.place(0) == ("org/mood:small/test", 1)
    read("org/mood")
    assert asked == [("org/mood", "small", "test"), ("org/mood", None, "train")]


def raises(error: Exception):
    def load(*args: object, **keywords: object) -> None:
        raise error

    return load


def test_a_hub_that_does_not_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "load_dataset", raises(ConnectionError("no")))
    with pytest.raises(ResourceError, match="'org/mood' is no file here, and the Hugging Face hub cannot be reached"):
        read("org/mood")
    monkeypatch.setattr(datasets, "load_dataset", raises(datasets.exceptions.DatasetNotFoundError("nothing there")))
    with pytest.raises(InputError, match="'org/mood' is no file here and cannot be had from the hub: nothing there"):
        read("org/mood")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ResourceError, match=r"datasets.*is not installed.*pip install 'tunesmith\[hub\]'"):
        read("org/mood")
