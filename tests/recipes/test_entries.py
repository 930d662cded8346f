"""Tasks, strategies and observers from how they are written."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.recipes.document import Document
from tunesmith.recipes.entries import part_of, strategies_of
from tunesmith.strategies.early_stop import EarlyStop
from tunesmith.strategies.freeze import Freeze
from tunesmith.tasks.text_classification import TextClassification


def test_names_and_objects_become_objects_and_observers_stand_apart() -> None:
    document = Document({})
    strategies, watch = strategies_of([{"freeze": {"layers": 2}}, {"early_stop": {}}, Freeze(layers=1)], document, {})
    assert strategies == [Freeze(layers=2), Freeze(layers=1)]
    assert [type(observer) for observer in watch] == [EarlyStop]
    given = TextClassification(max_length=9)
    made = part_of("tasks", given, document, ("task",), {})
    assert made == given
    assert made is not given
    assert document.problems == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (7, "must be a name or name"),
        ({"a": {}, "b": {}}, "must be a name or name"),
        ({"my.module:Thing": {}}, "code of your own, which no recipe file may run"),
        ({"freez": {}}, "There is no strategy 'freez'"),
        ({"freeze": {"layerz": 1}}, "There is no setting 'layerz'"),
    ],
)
def test_what_is_none_of_these_is_refused(entry: Any, message: str) -> None:
    document = Document({})
    assert part_of("strategies", entry, document, ("strategies", 0), {}) is None
    assert message in document.problems[0].message
