"""What the benchmark of strategies measured, as docs/measured.py shows it."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from house.source import ROOT

TOLD = {"rows": 64, "data": "topics", "epochs": 1, "model": "sample:minilm", "judged": 400}


def run(score: float, seconds: float, peak: float = 1000.0, right: str = "1100") -> dict[str, Any]:
    return {"metric": "accuracy", "score": score, "base": 0.25, "effort": seconds, "learned": 0.5, "peak_mb": peak, "right": right}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, with results of its own: three seeds of two strategies, one of a third, and one that was refused."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    spec = importlib.util.spec_from_file_location("docs_measured", ROOT / "docs" / "measured.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    runs = {
        **{f"few/plain/{seed}": run(0.5, 10.0) for seed in range(3)},
        **{f"few/lora/{seed}": run(0.5 + 0.1 * seed, 8.0, 500.0) for seed in range(3)},
        "few/sam/0": run(0.25, 80.0, right="1000"),
        "few/crf/0": {"refused": "crf: the task has no tags. Take it out."},
        "few/crf2/1": {"refused": "strategies.0.crf2: 'crf2' the task has no tags."},
        "few/sam/1": {"refused": "data.validation: sam decides. Give a file."},
        "other/lora/0": run(0.9, 1.0),
    }
    results = {"settings": {"few": TOLD, "other": TOLD}, "runs": runs, "date": "1 May 2026", "threads": "all"}
    monkeypatch.setattr(module, "results", lambda: results)
    return module


def test_gains_are_over_the_same_seeds_of_plain_tuning(measured: ModuleType) -> None:
    found = measured.worths("few")
    assert list(found) == ["lora", "plain", "sam"]
    assert found["lora"] == (pytest.approx(0.6), pytest.approx(10.0), pytest.approx(2 * 10 / 3**0.5), 0.8, 0.5, 0.5, 3)
    assert found["sam"].cells() == ("0.250", "-25.0 ± 50.0", "8.00", "1.00", "50.0%", "1")  # one row of four


def test_a_setting_without_plain_tuning_is_left_out(measured: ModuleType) -> None:
    assert measured.settings() == ["few"]
    heading, rows = measured.of("lora")
    assert heading == "## Measured"
    assert [line.split(" | ")[0] for line in rows.splitlines()[2:]] == ["| [64 rows of topics, 1 epoch, minilm](../measured.md)"]
    assert measured.of("r_drop") == []


def test_pages_link_to_what_is_measured_elsewhere(measured: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert measured.of("ewc") == ["## Measured", "Figures: [Lifelong learning](../../benchmarks/README.md#lifelong-learning)."]
    assert "famo" in measured.unmeasured()
    assert not {"ewc", "lora", "dataset_map"} & set(measured.unmeasured()), "measured there, measured here, no strategy"
    for title, name in (("Lifelong learning", "r_drop"), ("Across domains", "si"), ("No such section", "ewc")):
        monkeypatch.setattr(measured, "ELSEWHERE", {title: (name,)})
        with pytest.raises(ValueError, match=f"no section '{title}' that names {name}"):
            measured.of(name)


def test_the_page_has_the_table_and_what_was_refused(measured: ModuleType) -> None:
    text = "\n".join(measured.blocks())
    assert "| [lora](strategies/lora.md) | 0.600 | +10.0 ± 11.5 | 0.80 | 0.50 | 50.0% | 3 |" in text
    assert "Refused here:\n- the task has no tags: [crf](strategies/crf.md), [crf2](strategies/crf2.md)\n" in text
    assert "before tuning it is 0.250" in text


def test_the_picture_has_a_dot_for_each_strategy_within_its_frame(measured: ModuleType) -> None:
    drawn = ElementTree.fromstring(measured.picture("few"))
    dots = [element for element in drawn.iter() if element.tag.endswith("circle")]
    assert len(dots) == 3
    assert all(measured.LEFT <= float(dot.get("cx", "")) <= measured.RIGHT for dot in dots)
    assert all(measured.TOP <= float(dot.get("cy", "")) <= measured.BOTTOM for dot in dots)
    assert {"lora", "plain", "sam"} <= {element.text for element in drawn.iter()}
