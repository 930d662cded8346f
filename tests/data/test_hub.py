"""Data sets of the hub, without a hub."""

from __future__ import annotations

import socket
import ssl
import sys
from typing import Any
from urllib.error import HTTPError, URLError

import datasets
import pytest
from huggingface_hub import constants

from tunesmith.core.errors import InputError, ResourceError
from tunesmith.data import hub
from tunesmith.data.source import read


@pytest.fixture(autouse=True)
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "reachable", lambda: True)


REACHABLE = hub.reachable
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


def test_without_a_network_only_the_cache_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def load(*args: object, **keywords: object) -> datasets.Dataset:
        seen.append((datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE))
        if len(seen) == 1:
            return datasets.Dataset.from_list(ROWS)
        raise datasets.exceptions.DatasetNotFoundError("not in the cache")

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    monkeypatch.setattr(hub, "reachable", lambda: False)
    monkeypatch.setattr(datasets, "load_dataset", load)
    assert list(read("org/mood")[0]) == ROWS
    with pytest.raises(ResourceError, match="the Hugging Face hub cannot be reached"):
        read("org/mood")
    assert seen == [(True, True)] * 2
    assert before == (datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (HTTPError("", 404, "not found", None, None), True),  # type: ignore[arg-type]
        (URLError(ssl.SSLError("unknown authority")), True),
        (URLError(socket.gaierror("no such host")), False),
        (TimeoutError(), False),
    ],
)
def test_whatever_answers_is_there(error: Exception, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*args: Any, **keywords: Any) -> None:
        raise error

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "urlopen", ask)
    assert REACHABLE() == expected
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not REACHABLE()
