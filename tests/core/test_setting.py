"""Settings are dataclass fields that explain themselves."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pytest

from tunesmith.core.setting import setting


@dataclass
class Sample:
    rate: float = setting(0.1, "the rate", above=0, high=1)
    kind: str = setting("a", "the kind", choices=("a", "b"))
    names: list[str] = setting(factory=list, text="the names")


def test_a_setting_is_a_field_that_explains_itself() -> None:
    rate, kind, names = (field.metadata for field in fields(Sample))
    assert rate == {"text": "the rate", "low": None, "high": 1, "above": 0, "choices": ()}
    assert kind["choices"] == ("a", "b")
    assert names["text"] == "the names"


def test_defaults_are_the_field_s_and_lists_are_not_shared() -> None:
    first, second = Sample(), Sample(rate=0.5)
    assert (first.rate, second.rate, first.kind) == (0.1, 0.5, "a")
    first.names.append("x")
    assert second.names == []


def test_a_setting_without_a_default_must_be_given() -> None:
    @dataclass
    class Required:
        path: str = setting(text="the path")

    with pytest.raises(TypeError, match="path"):
        Required()
