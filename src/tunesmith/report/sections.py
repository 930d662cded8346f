"""The sections of the page, in reading order."""

from __future__ import annotations

from tunesmith.report import making, outcome
from tunesmith.report.facts import Facts, Section

GROUPS = (outcome.SCORES, outcome.LEARNING, outcome.MISTAKES, making.DATA, making.MAKING)
BUILDERS = (
    outcome.every_score,
    outcome.examples,
    outcome.per_class,
    outcome.loss_curve,
    outcome.score_curve,
    outcome.confusion,
    outcome.mixed_up,
    outcome.calibration,
    outcome.worst_errors,
    making.rows,
    making.lengths,
    making.remarks,
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
    return sorted(found, key=lambda section: order.index(section.group))
