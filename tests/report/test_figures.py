"""Each kind of section: from data to what is drawn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.report import figures
from tunesmith.report.facts import Section
from tunesmith.report.render import render


def test_the_first_column_of_a_table_may_lead_to_other_pages() -> None:
    data = {"columns": [{"name": "run"}, {"name": "other"}], "rows": [["a", "b"], ["b", "a"]], "links": {"a": "a/report.html"}}
    assert [[cell["href"] for cell in row] for row in figures.table(data)["rows"]] == [["a/report.html", ""], ["", ""]]
    shown = render(Section("Runs", "table", data))
    assert '<a href="a/report.html">a</a>' in shown


def test_table_writes_each_column_in_its_format() -> None:
    columns = [
        {"name": "class"},
        {"name": "rows", "format": "count"},
        {"name": "F1", "format": "share", "bar": True},
        {"name": "change", "format": "points"},
    ]
    drawn = figures.table({"columns": columns, "rows": [["a", 1200, 0.5, -0.02], ["b", 3, None, 0.1]], "strong": "F1"})
    assert [[cell["text"] for cell in row] for row in drawn["rows"]] == [["a", "1,200", "50.0%", "−2.0"], ["b", "3", "–", "+10.0"]]
    assert [cell["classes"] for cell in drawn["rows"][0]] == ["", "right", "right barred strong", "right bad"]
    assert [cell["bar"] for cell in drawn["rows"][1]] == [None] * 4


def test_bars_start_at_zero_in_both_directions() -> None:
    drawn = figures.bars(
        {"items": [{"label": "a", "value": -1.0, "text": ""}, {"label": "b", "value": 3.0, "text": "", "interval": (2.0, 2.5)}]}
    )
    assert [(bar["start"], bar["width"]) for bar in drawn["items"]] == [(0.0, 25.0), (25.0, 75.0)]
    assert drawn["items"][1]["whisker"] == [75.0, 87.5]
    assert drawn["whiskers"]


def test_bars_of_nothing_but_zero_are_empty() -> None:
    assert figures.bars({"items": [{"label": "a", "value": 0, "text": ""}]})["items"][0]["width"] == 0


def test_a_lone_spike_does_not_flatten_the_curve() -> None:
    calm = [(float(x), 1.0 + x / 100) for x in range(100)]
    series = [{"name": "raw", "points": [*calm, (100.0, 1e6)], "style": "faint"}, {"name": "smooth", "points": calm}]
    assert figures.lines({"series": series})["up"][-1]["text"] in ("2", "2.25", "2.5")


def test_lines_leave_out_what_is_not_finite() -> None:
    drawn = figures.lines(
        {"series": [{"name": "a", "points": [(0, 1.0), (1, float("nan")), (2, 3.0)]}, {"name": "b", "points": [(0, None)]}]}
    )
    assert [one["name"] for one in drawn["series"]] == ["a"]
    assert drawn["summary"] == "a from 1.000 to 3.000"
    assert drawn["series"][0]["path"].count("L") == 1


def test_a_large_matrix_keeps_the_classes_with_mistakes() -> None:
    size = figures.MATRIX_LABELS + 5
    counts = [[10 if i == j else 0 for j in range(size)] for i in range(size)]
    counts[size - 1][size - 2] = 7
    drawn = figures.matrix({"labels": [f"label {i}" for i in range(size)], "counts": counts})
    assert drawn["left_out"] == 5
    assert drawn["labels"][-2:] == [f"label {size - 2}", f"label {size - 1}"]
    assert [cell["count"] for cell in drawn["rows"][-1]["cells"]][-2:] == [7, 10]


def test_an_empty_row_of_the_matrix_is_no_fault() -> None:
    assert figures.matrix({"labels": ["a", "b"], "counts": [[0, 0], [1, 1]]})["rows"][0]["cells"][0]["level"] == 0


def test_the_histogram_counts_every_value_once() -> None:
    drawn = figures.histogram({"values": [*range(1, 101), 5000], "line": {"at": 64, "label": "max"}})
    assert sum(int(bar["text"].rpartition(" ")[2].replace(",", "")) for bar in drawn["bars"]) == 101
    assert drawn["beyond"] == 1
    assert {bar["over"] for bar in drawn["bars"]} == {True, False}


@given(st.lists(st.integers(0, 100_000), max_size=50))
def test_any_lengths_have_a_histogram(values: list[int]) -> None:
    assert all(0 <= bar["height"] <= 100 for bar in figures.histogram({"values": values})["bars"])


def test_long_texts_are_cut_and_say_so() -> None:
    drawn = figures.texts({"items": [{"text": "字" * 2000}, {"text": "short"}], "open": 1})
    assert drawn["items"][0]["text"].endswith("… (1,200 more characters)")
    assert [item["text"] for item in drawn["folded"]] == ["short"]


@given(st.text())
def test_code_is_shown_letter_by_letter(text: str) -> None:
    shown = "\n".join("".join(part or "" for part in line) for line in figures.code({"text": text})["lines"])
    assert shown == text.rstrip("\n")


def test_yaml_keys_and_comments_stand_out() -> None:
    lines = figures.code({"text": "- freeze: {layers: 4} # low\nurl: a#b\n# all"})["lines"]
    assert lines == [("- ", "freeze:", " {layers: 4} ", "# low"), ("", "url:", " a#b", None), ("", None, "", "# all")]
