"""The table in the terminal: base model, baselines, tuned model, and the verdict under it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tunesmith.report import groups, numbers
from tunesmith.report.outcome import TUNED, contender, contenders, tests
from tunesmith.report.verdict import CAVEATS, judge, thresholds

if TYPE_CHECKING:
    from rich.console import Console

METRICS = 3  # what 80 columns have room for; the primary metric is the first
TELLING = ("f1_macro", "auc", "spearman", "rmse", "f1_micro", "log_loss")  # those shown beside it, where there are any
COLOURS = {"good": "green", "mixed": "yellow", "bad": "bold red", "plain": ""}


def cells(scores: Mapping[str, Any]) -> list[list[str]]:
    """The table as text, its header first: a row for each model, the primary metric before the others; of several tasks one for each."""
    found = contenders(scores)
    names = [contender(name, scores) for name in found]
    primary = scores.get("primary", "")
    order = {metric: rank for rank, metric in enumerate(dict.fromkeys((primary, *TELLING)))}
    measured = sorted(found.get("tuned", {}), key=lambda metric: order.get(metric, len(order)))
    if "tasks" in scores:
        used = {f"{name}_{own['primary']}": own["base_is"] for name, own in scores["tasks"].items()}
        rows = [[*(numbers.value(metric, of.get(metric)) for of in found.values()), used.get(metric, "")] for metric in measured]
        return [["", *names, "the base is used"], *([numbers.title(metric), *row] for metric, row in zip(measured, rows, strict=True))]
    measured = measured[:METRICS]
    pairs = zip(names, found.values(), strict=True)
    rows = [[name, *(numbers.value(metric, values.get(metric)) for metric in measured)] for name, values in pairs]
    for test, of in tests(scores).items():
        further = [(f"{contender(name, of)}, on {test}", values) for name, values in contenders(of).items()]
        rows += [[name, *(numbers.value(metric, values.get(metric)) for metric in measured)] for name, values in further]
    return [["", *map(numbers.title, measured)], *rows]


def verdict_lines(scores: Mapping[str, Any]) -> list[str]:
    """The verdict as lines of text."""
    verdict = judge(scores)
    caveat = CAVEATS["train"] if scores.get("split") == "train" else ""
    others = {test: judge(of) for test, of in tests(scores).items()}
    further = [f"On {test}: {found.headline}. {found.sentence}" for test, found in others.items()]
    judged = scores.get("tasks", {"": scores})
    labels = [f"{task}: {text}".removeprefix(": ") for task, of in judged.items() if (text := thresholds(of))]
    said = (f"{verdict.headline}. {verdict.sentence}", verdict.flips, caveat, verdict.advice, *labels, *further, *groups.warnings(scores))
    return [line for line in said if line]


def plain(scores: Mapping[str, Any]) -> str:
    """Table and verdict for a file or a pipe: columns by blanks, ASCII signs, no colour."""
    from rich.cells import cell_len

    rows = cells(scores)
    widths = [max(cell_len(text) for text in column) for column in zip(*rows, strict=True)]

    def line(row: list[str]) -> str:
        first, *others = ((text, width - cell_len(text)) for text, width in zip(row, widths, strict=True))
        return (first[0] + " " * first[1] + "".join("  " + " " * space + text for text, space in others)).rstrip()

    table = [line(row) for row in rows] if len(rows) > 1 else []
    return "\n".join([*table, *verdict_lines(scores)]).replace("−", "-").replace("–", "-")


def show(scores: Mapping[str, Any], console: Console) -> None:
    """Print table and verdict: drawn and coloured in a terminal, ``plain`` elsewhere."""
    from rich.table import Table
    from rich.text import Text

    if not console.is_terminal:
        console.file.write(plain(scores) + "\n")
        return
    header, *rows = cells(scores)
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for index, title in enumerate(header):
        table.add_column(Text(title), justify="right" if index else "left", no_wrap=index > 0)
    for row in rows:
        table.add_row(*map(Text, row), style="bold" if row[0] == TUNED else "")
    if rows:
        console.print(table)
    console.print()
    first, *others = verdict_lines(scores)
    console.print(Text(first, style=COLOURS[judge(scores).tone]))
    for line in others:
        console.print(Text(line))
