"""The command serve."""

from __future__ import annotations

from typing import Any

import pytest

from cli.conftest import Command
from tunesmith import serving


def test_what_is_told_is_passed_on(tunesmith: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(serving, "serve", lambda *given: told.append(given))
    monkeypatch.setenv("TUNESMITH_TOKEN", "secret")
    done = tunesmith("serve", "last", "--port", "8123", "--runs", "elsewhere")
    assert (done.code, told) == (0, [("last", "elsewhere", "127.0.0.1", 8123, "secret")])
    assert "http://127.0.0.1:8123" in done.err
    assert tunesmith("serve", "last", "--json").json == {"url": "http://127.0.0.1:8000"}


def test_an_open_door_needs_a_lock(tunesmith: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUNESMITH_TOKEN", raising=False)
    done = tunesmith("serve", "last", "--host", "0.0.0.0")
    assert done.code == 2
    assert "TUNESMITH_TOKEN" in done.err.splitlines()[-1]


def test_a_run_that_is_not_there(tunesmith: Command) -> None:
    assert tunesmith("serve", "nothing").code == 2
