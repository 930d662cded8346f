"""From sections to HTML: one function and one template for each kind."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tunesmith.core.errors import TunesmithError
from tunesmith.report import figures
from tunesmith.report.facts import Section

KINDS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "bars": figures.bars,
    "calibration": figures.calibration,
    "code": figures.code,
    "histogram": figures.histogram,
    "lines": figures.lines,
    "matrix": figures.matrix,
    "notes": figures.notes,
    "pairs": figures.pairs,
    "table": figures.table,
    "texts": figures.texts,
}


@cache
def templates() -> Environment:
    """The templates of this folder; whatever is put into them is escaped."""
    loader = PackageLoader("tunesmith.report", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def render(section: Section) -> Markup:
    """The body of a section as HTML. An unknown kind is a fault of the task that made the section (``TunesmithError``)."""
    if section.kind not in KINDS:
        near = difflib.get_close_matches(section.kind, KINDS, n=1) or sorted(KINDS)
        raise TunesmithError(
            f"the section '{section.title}' is of the unknown kind '{section.kind}'", remedy=f"Did you mean {', '.join(near)}?"
        )
    template = templates().get_template(f"kinds/{section.kind}.html.jinja")
    return Markup(template.render(title=section.title, **KINDS[section.kind](section.data)))
