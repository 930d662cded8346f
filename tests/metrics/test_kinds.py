"""Means over rows, and over the rows of each kind."""

from __future__ import annotations

from tunesmith.metrics.kinds import means_by_kind


def test_means_by_kind() -> None:
    found = means_by_kind({"accuracy": [1.0, 0.0, 1.0], "error": [2.0, 4.0, 0.0]}, ["b", "a", "b"])
    assert found == {
        "accuracy": 2 / 3,
        "error": 2.0,
        "per_kind": {"a": {"accuracy": 0.0, "error": 4.0, "rows": 1}, "b": {"accuracy": 1.0, "error": 1.0, "rows": 2}},
    }
    assert list(found["per_kind"]) == ["a", "b"]


def test_one_kind_is_no_table() -> None:
    assert means_by_kind({"accuracy": [1.0, 0.0]}, ["a", "a"]) == {"accuracy": 0.5}


def test_no_rows() -> None:
    assert means_by_kind({"accuracy": []}, []) == {"accuracy": 0.0}
