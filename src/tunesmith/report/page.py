"""The page of a run: one HTML file that opens anywhere, asks for nothing from outside and runs no script."""

from __future__ import annotations

from itertools import groupby

from tunesmith.core.words import duration, size
from tunesmith.report import numbers
from tunesmith.report.facts import Facts
from tunesmith.report.outcome import standing
from tunesmith.report.render import render, templates
from tunesmith.report.sections import sections
from tunesmith.report.verdict import judge


def page(facts: Facts) -> str:
    """``report.html``: the verdict, and every section there are facts for."""
    found = groupby(sections(facts), key=lambda section: section.group)
    template = templates().get_template("page.html.jinja")
    return template.render(
        facts=facts,
        verdict=judge(facts.scores),
        standing=render(compared) if (compared := standing(facts)) else None,
        figures=_figures(facts),
        groups=[(name, [(section, render(section)) for section in members]) for name, members in found],
    )


def _figures(facts: Facts) -> list[tuple[str, str]]:
    """The few numbers under the verdict: (figure, what it is)."""
    learning = sum(part["learning"] for part in facts.parameters)
    total = sum(part["total"] for part in facts.parameters)
    shown = {
        "rows trained on": facts.rows.get("train") and f"{facts.rows['train']:,}",
        f"of {numbers.compact(total)} weights learned": learning and numbers.compact(learning),
        "training time": facts.seconds and duration(facts.seconds),
        "tokens a second": facts.tokens_per_second and numbers.compact(facts.tokens_per_second),
        "peak memory": facts.peak_memory and size(facts.peak_memory),
    }
    return [(str(figure), name) for name, figure in shown.items() if figure]
