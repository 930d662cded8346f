"""The table in the terminal and in a file."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from tunesmith.report import table

PLAIN = """\
                              accuracy  F1 macro  log loss
base model                       30.0%     {base}     0.610
majority class                   40.0%         -         -
TF-IDF + logistic regression     70.0%         -         -
tuned model                      85.0%     {tuned}     0.610
Tuning helped. Accuracy rose from 30.0% to 85.0% on 100 test rows: +55.0 points, 95% interval +44.0 to +66.0.
Better than the base model on 58 rows, worse on 3.
"""


def shown(scores: dict[str, Any], **console: Any) -> str:
    stream = io.StringIO()
    table.show(scores, Console(file=stream, **console))
    return stream.getvalue()


def test_plain_text_where_there_is_no_terminal(scores: dict[str, Any]) -> None:
    base, tuned = (f"{100 * scores[name]['f1_macro']:.1f}%" for name in ("base", "tuned"))
    assert shown(scores, width=40) == PLAIN.format(base=base, tuned=tuned)
    assert shown(scores).isascii()


def test_scores_on_rows_that_were_trained_on_are_no_news(scores: dict[str, Any]) -> None:
    assert "These rows were trained on: the scores say nothing about new data.\n" in shown({**scores, "split": "train"})


def test_a_terminal_gets_colour_and_80_columns_are_enough(scores: dict[str, Any]) -> None:
    scores["baselines"]["linear_probe"] = {"accuracy": 0.8, "f1_macro": 0.8}
    coloured = shown(scores, force_terminal=True, width=80, color_system="standard")
    assert "\x1b[32mTuning helped." in coloured
    lines = shown(scores, force_terminal=True, width=80, color_system=None).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split("  ")[0].strip() for line in lines[:6]] == [
        "",
        "base model",
        "majority class",
        "TF-IDF + logistic regression",
        "linear probe on the frozen base",
        "tuned model",
    ]


def test_several_tasks_have_a_row_each(scores: dict[str, Any]) -> None:
    sides = {side: {"mean_of_tasks": 0.5, **{f"{name}_accuracy": 0.5 for name in "abcd"}} for side in ("base", "tuned")}
    tasks = {name: {"primary": "accuracy", "base_is": "chance"} for name in "abcd"}
    head, *rows = table.cells({**scores, **sides, "primary": "mean_of_tasks", "baselines": {}, "tasks": tasks, "base_is": "a: chance"})
    assert head == ["", "base model", "tuned model", "the base is used"]
    assert [row[-1] for row in rows] == ["", *["chance"] * 4]
    assert [row[0] for row in rows] == ["mean of tasks", *(f"{name} accuracy" for name in "abcd")]


def test_bad_news_is_red(scores: dict[str, Any]) -> None:
    scores["gain"]["accuracy"] = {"delta": -0.1, "ci95": [-0.2, -0.05]}
    assert "\x1b[1;31mTuning made it worse." in shown(scores, force_terminal=True, width=200, color_system="standard")


def test_the_primary_metric_comes_first(scores: dict[str, Any]) -> None:
    assert table.cells({**scores, "primary": "log_loss"})[0][1] == "log loss"


def test_columns_stand_straight_with_wide_letters(scores: dict[str, Any]) -> None:
    from rich.cells import cell_len

    lines = table.plain({**scores, "baselines": {"词袋": {"accuracy": 0.5}}}).splitlines()[:4]
    assert len({cell_len(line) for line in lines}) == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_markup_in_names_is_text(scores: dict[str, Any], terminal: bool) -> None:
    scores["baselines"] = {"[red]x[/red]": {"accuracy": 0.5}}
    assert "[red]x[/red]" in shown(scores, force_terminal=terminal, width=120)


def test_nothing_to_show_is_said() -> None:
    assert shown({}) == "Not evaluated. This run has no scores.\n"
    assert "Not evaluated" in shown({}, force_terminal=True, width=80)


def test_further_tests_have_rows_and_a_verdict_each(scores: dict[str, Any]) -> None:
    worse = {**scores, "split": "target", "examples": 40, "base": {"accuracy": 0.5}, "tuned": {"accuracy": 0.4}}
    worse |= {"gain": {"accuracy": {"delta": -0.1, "ci95": [-0.2, -0.05]}}, "baselines": {}, "base_is": "chance"}
    said = shown({**scores, "tests": {"target": worse}})
    assert "base model, by chance, on target     50.0%" in said
    assert "tuned model, on target               40.0%" in said
    assert "On target: Worse than chance. Accuracy fell from 50.0% to 40.0% on 40 target rows: -10.0 points" in said
    of_tasks = {**scores, "tasks": {"topics": {"primary": "accuracy", "base_is": "chance", "tests": {"target": worse}}}}
    assert "On topics, target: Worse than chance." in "\n".join(table.verdict_lines(of_tasks))
