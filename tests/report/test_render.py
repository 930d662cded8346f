"""Kinds of sections: each has a template, says what its data is, and escapes it."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.core.errors import TunesmithError
from tunesmith.report.facts import Section
from tunesmith.report.render import KINDS, render

HOSTILE = "<b onclick='x'>\"&"
DATA: dict[str, dict[str, Any]] = {
    "bars": {"items": [{"label": HOSTILE, "value": 1.0, "text": HOSTILE}]},
    "calibration": {"bins": [{"confidence": 0.5, "accuracy": 0.4, "count": 3}]},
    "code": {"text": HOSTILE},
    "histogram": {"values": [1, 2, 3], "x": HOSTILE, "line": {"at": 2, "label": HOSTILE}},
    "lines": {"series": [{"name": HOSTILE, "points": [(0, 1), (1, 2)]}], "x": HOSTILE, "marks": [{"at": 1, "label": HOSTILE}]},
    "matrix": {"labels": [HOSTILE, "b"], "counts": [[1, 0], [1, 1]]},
    "notes": {"items": [HOSTILE]},
    "pairs": {"items": [(HOSTILE, HOSTILE)]},
    "table": {"columns": [{"name": HOSTILE}], "rows": [[HOSTILE]]},
    "texts": {"items": [{"name": HOSTILE, "text": HOSTILE, "tags": [(HOSTILE, HOSTILE, "plain")], "more": [(HOSTILE, HOSTILE)]}]},
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_drawn_and_escaped(kind: str) -> None:
    html = render(Section(HOSTILE, kind, DATA[kind]))
    assert html.strip()
    assert "<b onclick" not in html
    assert kind == "calibration" or "&lt;b onclick" in html


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_says_what_its_data_is(kind: str) -> None:
    assert all(f"``{key}``" in (KINDS[kind].__doc__ or "") for key in DATA[kind])


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(TunesmithError, match="Did you mean table"):
        render(Section("x", "tabel", {}))


def test_a_template_that_lacks_a_value_is_a_fault() -> None:
    with pytest.raises(KeyError):
        render(Section("x", "table", {"rows": []}))
