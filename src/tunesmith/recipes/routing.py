"""Recipes of sequences whose stages learn a model of their own each: how a row finds that of its stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tunesmith.recipes.document import Document
from tunesmith.recipes.validate import build

if TYPE_CHECKING:
    from tunesmith.model.routing import Routing

REMEDIES = {
    "search": "Search the settings of one stage in a recipe of its own, or take routing out",
    "ensemble": "Train a stage with several seeds in a recipe of its own, or take routing out",
}


def routing_of(document: Document, names: Sequence[str]) -> Routing | None:
    """What stands under ``routing``; ``names`` are those of the stages. What is wrong is written into ``document``."""
    from tunesmith.model.routing import Routing

    given: Any = document.value.get("routing")
    if given is None:
        return None
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        message = f"two stages are called {name}, and a row is routed to a stage by its name"
        document.refuse(("sequence",), message, "Give each a name of its own: - {name: NAME, data: ...}")
    for study, remedy in REMEDIES.items():
        if document.value.get(study) is not None:
            document.refuse((study,), f"{study} and routing exclude each other: each stage has a model of its own", remedy)
    return build(Routing, given, document, ("routing",))
