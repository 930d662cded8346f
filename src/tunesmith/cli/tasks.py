"""The option that names one of the tasks of a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click


def task_option(command: Callable[..., None]) -> Callable[..., None]:
    """A command on ``model`` with an option for the task, where the run has several: ``model`` is then the folder of that task's model."""

    @click.option("--task", default="", metavar="NAME", help="The task to answer, or the stage, where the run has several models.")
    @wraps(command)
    def called(model: str, runs: str, task: str, **others: Any) -> None:
        if task:
            from tunesmith.tuned import of_task

            model = str(of_task(model, runs, task))
        command(model=model, runs=runs, **others)

    return called
