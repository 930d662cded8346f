"""The sections of the page, in reading order."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from tunesmith.report import groups, making, outcome
from tunesmith.report.facts import Facts, Section

GROUPS = (outcome.SCORES, outcome.LEARNING, outcome.MISTAKES, making.DATA, making.MAKING)
BUILDERS = (
    outcome.every_score,
    outcome.every_test,
    outcome.per_class,
    groups.by_group,
    groups.gaps,
    outcome.examples,
    outcome.loss_curve,
    outcome.score_curve,
    outcome.confusion,
    outcome.mixed_up,
    outcome.calibration,
    outcome.worst_errors,
    making.rows,
    making.lengths,
    making.remarks,
    making.changes,
    making.command,
    making.strategies,
    making.parameters,
    making.recipe,
    making.environment,
    making.sayings,
)


def sections(facts: Facts) -> list[Section]:
    """What there are facts for, and what the task adds, chapter by chapter."""
    own = [section for build in BUILDERS if (section := build(facts))]
    found = [*own, *(Section(**section) for section in facts.sections)]
    order = [*GROUPS, *(section.group for section in found)]
    return _paired(sorted(found, key=lambda section: order.index(section.group)))


def _paired(found: list[Section]) -> list[Section]:
    """The same sections; a narrow one without a neighbour takes the whole width."""
    rows = [list(members) for _, members in groupby(found, key=lambda section: (section.group, section.wide))]
    for row in rows:
        if len(row) % 2:
            row[-1] = replace(row[-1], wide=True)
    return [section for row in rows for section in row]
