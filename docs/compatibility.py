"""The page on what goes together: which strategies exclude each other, what they need, and which may be of one task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pieces import linked, page, table

from tunesmith.core.mixture import APART, SEVERAL
from tunesmith.core.strategy import Strategy
from tunesmith.engine.of_task import is_for_one


def compatibility_page(strategies: Mapping[str, type[Any]], tasks: Mapping[str, type[Any]]) -> str:
    """Which strategies exclude each other, and what each needs of the task: from what they declare."""
    found = {name: cls for name, cls in strategies.items() if issubclass(cls, Strategy)}
    claims = {name: cls.owns | ({"objective"} if cls.objective is not None else set()) for name, cls in found.items()}
    claimed = {what: [name for name in found if what in claims[name]] for what in sorted(set().union(*claims.values()))}
    needs = {name: getattr(cls, "needs", frozenset()) for name, cls in strategies.items()}
    offers = {name: cls.example()[0].offers for name, cls in tasks.items()}
    return page(
        "What goes together",
        "Strategies compose in any order and number, but for what stands here. The contract battery trains, repeats and resumes every "
        "ordered pair of them (`make test-slow`; `make test` takes a sample that changes with the commit), and expects a refusal, by "
        "name and before any work, where two claim the same.",
        "## At most one of each line",
        table(("what they decide on", "strategies"), ((what, linked(names)) for what, names in claimed.items() if len(names) > 1)),
        "## What a strategy needs",
        table(
            ("it needs", "strategies", "given by the tasks", "or by the strategies"),
            (
                (
                    what,
                    linked(name for name in needs if what in needs[name]),
                    linked((name for name in tasks if what in offers[name]), "tasks") or f"[{SEVERAL}](multi-task.md)" * (what == SEVERAL),
                    linked(claimed.get(what, ())),
                )
                for what in sorted(set().union(*needs.values()))
            ),
        ),
        "## For one task of several",
        "What changes rows or losses alone may stand under a [task of several](multi-task.md#strategies-of-one-task), where it sees that "
        "one as if it were trained alone; all others stand at the top.",
        linked(name for name, cls in found.items() if is_for_one(cls.example()) and not {APART, SEVERAL} & cls.needs) + ".",
    )
