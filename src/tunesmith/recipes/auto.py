"""``strategies: auto``: what a recipe says where it leaves the choice of strategies, rate and length to the advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tunesmith.core.setting import setting
from tunesmith.engine.settings import Training
from tunesmith.recipes.document import AUTO
from tunesmith.recipes.limits import bytes_of
from tunesmith.recipes.validate import as_plain

ADVISED = ("epochs", "learning_rate", "head_rate", "micro_batch", "warmup", "ship")  # settings of training that the advice may choose
INSTEAD = {"steps": "epochs"}  # a setting that takes the place of one of them


@dataclass
class Auto:
    """That strategies are to be chosen, and within which limits.

    ``given``  the settings of training among ``ADVISED`` that the recipe gives itself: they are never advised on
    """

    memory: str | None = setting(None, "most memory that training may take, 8GB for example; no limit when absent")
    given: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        if self.memory is not None:
            bytes_of(self.memory)


def given_in(training: Any) -> tuple[str, ...]:
    """The settings that ``training``, as it is written or as an object, decides by itself, of those that can be advised on."""
    written = as_plain(training, changed_only=True) if isinstance(training, Training) else training
    if not isinstance(written, Mapping):
        return ()
    decided = {INSTEAD.get(name, name) for name, value in written.items() if value is not None}
    return tuple(name for name in ADVISED if name in decided)


def undecided(auto: Auto, training: Training, changed_only: bool) -> tuple[str | dict[str, Any], dict[str, Any]]:
    """The strategies and the training of a recipe that leaves the choice open, as it is written: nothing that is to be advised on."""
    limits = as_plain(auto, changed_only=True)
    wanted = as_plain(training, changed_only)
    written = {name: value for name, value in as_plain(training).items() if name in auto.given or (name in wanted and name not in ADVISED)}
    return {AUTO: limits} if limits else AUTO, written
