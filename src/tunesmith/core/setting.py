"""Settings: dataclass fields with a line of explanation and a range, from which validation, help and documentation follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, field
from typing import Annotated, Any

Named = Annotated[str, "model"]  # the type of a setting that names a model beside that of the run


def setting(
    default: Any = MISSING,
    text: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: tuple[Any, ...] = (),
    factory: Callable[[], Any] | None = None,
) -> Any:
    """A dataclass field that is a setting.

    ``text`` says in one line what it is, with its unit. ``low`` and ``high`` are included in the range, ``above`` is not.
    Recipes check type, range and choices before any work (``recipes/validate.py``).
    """
    metadata = {"text": text, "low": low, "high": high, "above": above, "choices": choices}
    if factory is not None:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)
