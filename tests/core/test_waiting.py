"""Work that may take long says how far it is."""

from __future__ import annotations

import itertools

import pytest

from tunesmith.core import waiting
from tunesmith.core.waiting import waited


def test_long_work_is_told_ever_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count(0.0, 5.0)
    monkeypatch.setattr(waiting.time, "monotonic", lambda: next(seconds))
    said: list[str] = []
    assert list(waited(range(20), said.append, "rows")) == list(range(20))
    assert said == [
        "rows: 5% done, about 3 min 10 s to go",
        "rows: 25% done, about 1 min 30 s to go",
        "rows: 65% done, about 38 s to go",
    ]


def test_short_work_and_work_that_nobody_listens_to_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    assert list(waited("abc", said.append, "rows")) == ["a", "b", "c"]
    assert said == []
    monkeypatch.setattr(waiting, "SILENT", 0.0)
    assert list(waited("abc", None, "rows")) == ["a", "b", "c"]
    assert list(waited("abc", said.append, "rows")) == ["a", "b", "c"]
    assert len(said) == 2
