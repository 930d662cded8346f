"""tunesmith fine-tunes pre-trained transformer models, and proves that the tuned model is better.

import tunesmith

report = tunesmith.train(model="sample:minilm", task="text_classification", data={"train": "reviews.csv"})
tunesmith.load(report.folder).predict(["Not bad at all."])
"""

from __future__ import annotations

from importlib import import_module
from os import environ as _environ
from typing import Any

# Threads that wait for one another spin for a while before they sleep: a millisecond by default, in which another program on the same
# processor cannot run, so that beside a busy neighbour training took up to five times as long. Read when torch is first imported.
if "OMP_WAIT_POLICY" not in _environ:
    _environ.setdefault("GOMP_SPINCOUNT", "1000")

# Where each public name lives. Importing tunesmith imports none of them, so that it takes no time.
_HOMES = {
    "Observer": "tunesmith.core.observer",
    "Recipe": "tunesmith.recipes.recipe",
    "Report": "tunesmith.run",
    "Strategy": "tunesmith.core.strategy",
    "Task": "tunesmith.core.task",
    "Training": "tunesmith.engine.settings",
    "Tuned": "tunesmith.tuned",
    "TunesmithError": "tunesmith.core.errors",
    "check": "tunesmith.studies.whole",
    "explain": "tunesmith.studies.whole",
    "export": "tunesmith.merging",
    "load": "tunesmith.tuned",
    "load_together": "tunesmith.composing",
    "read_recipe": "tunesmith.recipes.recipe",
    "resume": "tunesmith.studies.whole",
    "train": "tunesmith.studies.whole",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"tunesmith has no '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
