"""What can go wrong, by who can mend it. Every error a user can cause is a list of problems with a place and a remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

SHOWN = 20  # problems printed in full; the rest is a count


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where it is, and what to do: ``file:line column: problem. Remedy.``

    ``column`` is a name in a table and a number (from 1) in a text file; ``line`` counts from 1, 0 meaning the whole file.
    ``key`` is the setting of a recipe that it is about, as on the command line; a recipe that knows where it stands puts that first.
    """

    message: str
    remedy: str = ""
    file: str = ""
    line: int = 0
    column: int | str = ""
    key: str = ""

    def about(self, key: str) -> Problem:
        """The same as a problem of a setting. One that knows its setting, or its line in a file of data, stays as it is."""
        return self if self.key or self.line else replace(self, key=key)

    @property
    def said(self) -> str:
        """Where it is and what, without the remedy."""
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file
        place = f"{place} {self.column}".strip() if self.column else place
        named = "" if self.message.startswith(self.key) else self.key
        return ": ".join(part for part in (named, place, self.message) if part)

    def __str__(self) -> str:
        sentences = (sentence for sentence in (self.said, self.remedy) if sentence)
        return " ".join(sentence if sentence.endswith((".", "?", "!")) else sentence + "." for sentence in sentences)


class TunesmithError(Exception):
    """The root of the tree, and by itself a fault of tunesmith's own. ``exit_code`` is what the command returns."""

    exit_code = 1

    def __init__(self, *problems: Problem | str, remedy: str = "") -> None:
        self.problems = [p if isinstance(p, Problem) else Problem(p, remedy) for p in problems]
        super().__init__(*problems)

    def __str__(self) -> str:
        return "\n".join(shown(self.problems))


class InputError(TunesmithError):
    """The recipe, the data, the model's files or the command line cannot be used as they are."""

    exit_code = 2


class ResourceError(TunesmithError):
    """Memory, disk, network or a package that is needed is not there."""

    exit_code = 3


class DiskError(ResourceError):
    """A file cannot be written. A run goes on from its last checkpoint once it can."""


class DivergedError(TunesmithError):
    """The loss or a weight is not finite, or the loss has run away.

    ``rate``  a learning rate that may do better, and ``key`` where the recipe has it
    ``rows``  the training rows of the step, where they may be the reason
    """

    exit_code = 4
    rate: float
    key: str = "training.learning_rate"
    rows: Sequence[int] = ()


class IntegrityError(TunesmithError):
    """What was written is not what is there now: a checkpoint or a run fails its digests."""

    exit_code = 5


class InterruptedRunError(TunesmithError):
    """The user or the system asked to stop; the run can be resumed. The exit code is 130 (Ctrl-C) or 143 (SIGTERM)."""

    exit_code = 130


@contextmanager
def concerning(key: str) -> Iterator[None]:
    """What is wrong within is a problem of the setting ``key`` of a recipe."""
    try:
        yield
    except TunesmithError as error:
        error.problems = [problem.about(key) for problem in error.problems]
        raise


def shown(problems: Iterable[Problem], limit: int = SHOWN) -> list[str]:
    """The first ``limit`` problems as lines, and a last line with the count of the others."""
    lines = [str(p) for p in problems]
    return lines if len(lines) <= limit else [*lines[:limit], f"... and {len(lines) - limit:,} more."]
