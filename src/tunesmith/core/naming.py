"""What runs are called: where the folder of a run is that a setting names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

RESOLVED = "recipe.resolved.yaml"  # in the folder of a finished run
_RUNS: ContextVar[Path | None] = ContextVar("runs", default=None)


@contextmanager
def naming(runs: Path) -> Iterator[None]:
    """Names of runs are those of folders in ``runs``. Of a run within another, in whose folder no user names any, the outer one's hold."""
    token = _RUNS.set(_RUNS.get() or runs)
    try:
        yield
    finally:
        _RUNS.reset(token)


def run_named(spec: str) -> Path | None:
    """The folder of the finished run that ``spec`` names: a path, or its name among the runs. None where there is no such run."""
    places = [Path(spec).expanduser(), (_RUNS.get() or Path("runs")) / spec] if spec else []
    with suppress(OSError, ValueError):  # a text that is too long for a name is none
        return next((place for place in places if (place / RESOLVED).is_file()), None)
    return None
