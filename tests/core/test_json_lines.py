"""Only a line feed ends a line."""

from __future__ import annotations

import json
from pathlib import Path

from tunesmith.core.json_lines import read_lines, read_values

ROWS = [{"text": "one\u2028two\u2029three\u0085four\x0bfive\rsix\nseven"}, {"text": "好"}]


def test_texts_hold_what_looks_like_an_end(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")
    assert read_values(file) == ROWS
    assert [line[-1] for line in read_lines(file)] == ["\n", "\n"]
    file.write_text('{"a": 1}\n{"a"', encoding="utf-8")
    assert read_lines(file) == ['{"a": 1}\n', '{"a"']
