"""The rows of the past: of earlier stages, or wherever a recipe says."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.strategy import Past
from tunesmith.data.encode import Encoded
from tunesmith.data.past import InTurn, no_past, past_items

ROWS = [{"text": "a long word", "label": "a"}, {"text": "word", "label": "b"}]


def test_auto_means_earlier_stages_each_for_itself(task) -> None:
    task.labels = ["a", "b"]
    rows = [task.read(row) for row in ROWS]
    parts = past_items("auto", Past([rows, rows[:1]]), task, None)
    assert [[item["label"] for item in part] for part in parts] == [[0, 1], [0]]
    assert past_items("auto", Past(), task, None) == []


def test_other_rows_are_one_part(task) -> None:
    task.labels = ["a", "b"]
    assert [[item["label"] for item in part] for part in past_items(ROWS, None, task, None)] == [[0, 1]]


def test_parts_in_turn_decode_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [Encoded([[{"label": 10 * part + row} for row in range(rows)]] if rows else []) for part, rows in enumerate((3, 0, 2))]
    items = InTurn(parts)
    assert [item["label"] for item in items] == [0, 1, 2, 20, 21]
    decoded, decode = [], Encoded.__getitem__
    monkeypatch.setattr(Encoded, "__getitem__", lambda self, index: decoded.append(index) or decode(self, index))
    assert (len(items), items[3]["label"], [item["label"] for item in items[::2]]) == (5, 20, [0, 2, 21])
    assert decoded == [0, 0, 2, 1]
    assert len(InTurn([])) == 0
    with pytest.raises(IndexError, match="row 5 of 5"):
        items[5]


def test_auto_in_a_run_of_one_stage_is_refused(task) -> None:
    with pytest.raises(InputError, match="Name a file or a run under past, or use stages"):
        past_items("auto", None, task, None)


def test_what_is_said_where_nothing_is_done() -> None:
    assert no_past("replay", 0.0) == "replay: at 0 nothing is done"
    assert "first stage" in no_past("replay", 0.1)
