"""The options that say as what a model is loaded: as one for a task, or as one that labels texts without training; and when it decides."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli import show
from tunesmith.core.errors import InputError, Problem

if TYPE_CHECKING:
    from tunesmith.tuned import Tuned

Load = Callable[[str, str], "Tuned"]  # a model and the folder of runs, to what answers
LABELS = (
    "Label without training: good,bad, or with descriptions 'good: what praises; bad: what blames'. Any language model can, "
    "and a CLIP for pictures."
)
WAY = "--labels: how a model finds them; auto: as it can."
PATTERN = "--labels: where a label is written, as in 'Review: {text} It was {label}.'; for vectors and entailment without {text}."
PRIOR = "--labels: what is taken off for the words themselves: what is said of nothing, or after the pattern alone; auto by the model."
THRESHOLD = "Probability from which one of several labels is given; for answers in texts as task.threshold. That of the run when absent."
KIND = "The task that a model from elsewhere does, as recipes call it, where its files do not tell."


def labels_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options, which it gets as ``loaded``, what loads the model as they say."""

    @click.option("--as", "kind", default="", metavar="TASK", help=KIND)
    @click.option("--labels", metavar="LABELS", help=LABELS)
    @click.option(
        "--way",
        type=click.Choice(["auto", "embedding", "entailment", "masked", "causal", "text_to_text", "pictures"]),
        default="auto",
        help=WAY,
    )
    @click.option("--pattern", default="", metavar="TEXT", help=PATTERN)
    @click.option("--prior", type=click.Choice(["auto", "none", "content_free", "premise"]), default="auto", help=PRIOR)
    @click.option("--threshold", type=float, metavar="NUMBER", help=THRESHOLD)
    @wraps(command)
    def called(labels: str | None, way: str, pattern: str, prior: str, kind: str, threshold: float | None, **others: Any) -> None:
        loaded = _by_labels(labels, way, pattern, prior, kind)
        command(loaded=loaded if threshold is None else lambda *of: _deciding(loaded(*of), threshold), **others)

    return called


def _by_labels(labels: str | None, way: str, pattern: str, prior: str, kind: str) -> Load:
    """What loads the model. Raises ``InputError`` for options that nothing would read."""
    given = [name for name, value in (("--way", way), ("--pattern", pattern), ("--prior", prior)) if value not in ("auto", "")]
    if labels is None and given:
        raise InputError(Problem(f"{' and '.join(given)} is read beside --labels alone", "Write --labels too, or take it out"))
    if labels is not None and kind:
        raise InputError(Problem("--as is not read beside --labels, which makes the model a classifier", "Take one of them out"))

    def loaded(model: str, runs: str) -> Tuned:
        if labels is None:
            from tunesmith.tuned import load

            return load(model, runs, kind=kind)
        from tunesmith.labelling import Asked
        from tunesmith.zero_shot import labels_in, zero_shot

        return zero_shot(model, Asked(labels_in(labels), way, pattern, prior), runs, show.say)

    return loaded


def _deciding(tuned: Tuned, threshold: float) -> Tuned:
    """The model with another threshold. Raises ``InputError`` where none is read, and for one that no recipe could have."""
    from tunesmith.recipes.document import Document
    from tunesmith.recipes.validate import as_plain, build

    task: Any = tuned.task
    other, read_with = getattr(task, "applies", {}).get("threshold", ("", ()))
    if not other or getattr(task, other) not in read_with:
        raise InputError(Problem("--threshold is not read: the task gives each row one answer", "Take it out"))
    document = Document({}, spelled={("threshold",): "--threshold"})
    build(type(task), {**as_plain(task), "threshold": threshold}, document, ())
    document.finish()
    for asked in (task, *(stage.task for stage in getattr(tuned, "stages", {}).values())):
        asked.threshold = threshold
    return tuned
