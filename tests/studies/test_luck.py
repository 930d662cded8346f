"""How far runs are apart that differ in their seed alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunesmith.studies.luck import spread, spread_of_measures


def test_scores_are_told_by_mean_deviation_and_ends() -> None:
    assert spread([0.7, 0.9]) == pytest.approx({"mean": 0.8, "deviation": 0.02**0.5, "lowest": 0.7, "highest": 0.9})


def test_of_a_sequence_it_is_told_what_all_runs_know(tmp_path: Path) -> None:
    for name, average, transfer in (("one", 0.5, None), ("two", 0.7, 0.1)):
        (tmp_path / name).mkdir()
        found = {"average": average, "forgetting": 0.0, "backward_transfer": 0.0, "forward_transfer": transfer}
        (tmp_path / name / "scores.json").write_text(json.dumps({"sequence": found}), encoding="utf-8")
    found = spread_of_measures([tmp_path / "one", tmp_path / "two"])
    assert list(found) == ["average", "forgetting", "backward_transfer"]
    assert found["average"]["mean"] == pytest.approx(0.6)
