"""What a report is made of: plain values gathered from a finished run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = Mapping[str, Any]
KEPT = ("rows", "sizes", "notes", "warnings", "strategies", "changes", "sections")  # of the facts of a run, in its ``data.json``


@dataclass(frozen=True)
class Section:
    """One part of the page, as data.

    ``kind``   how ``data`` is drawn: a key of ``render.KINDS``, where the data of each kind is described
    ``about``  a sentence or two under the title
    ``group``  the chapter it stands in; a chapter that the page does not know comes last
    ``wide``   whether it takes the whole width on a laptop
    """

    title: str
    kind: str
    data: Record
    about: str = ""
    group: str = "More"
    wide: bool = False


@dataclass(frozen=True)
class Facts:
    """Everything the card, the page and the table say. What is missing is not shown.

    ``scores``      the content of ``scores.json``; ``base`` and ``tuned`` may also hold ``per_class`` {label: {precision, recall, f1,
                    support}}, in the order of ``confusion`` [truth][predicted], and ``calibration`` [{confidence, accuracy, count}].
                    A ``delta`` is tuned minus base in the metric's own unit, for error measures too. Where the primary metric has no
                    interval, that of ``correct`` (how right the rows are) decides
    ``command``     the command line that repeats the run
    ``licences``    licence by name, of the base model and of the data sets
    ``languages``   ISO 639 codes of the texts
    ``auto``        the class of transformers that loads the model: ``AutoModelForSequenceClassification``; empty where none does
    ``adapter``     whether the model folder holds a PEFT adapter and not whole weights
    ``events``      the lines of ``events.jsonl``: ``step`` (step, epoch, loss, rate), ``evaluation`` (step, scores), ``say`` (text)
    ``errors``      wrong predictions, worst first: text, truth, predicted, confidence
    ``lengths``     tokens of each training row; ``truncated`` rows were cut by one of ``bounds``, of which ``max_length`` may be one
    ``rows``        row counts by use: train, validation, test, skipped
    ``notes``       remarks on the data; ``warnings`` what the user must not overlook
    ``strategies``  name, settings, summary; ``parts`` of a run names those that have it, where not all do
    ``parameters``  what learns, from the bottom of the model up: part, total, learning (numbers of weights), rate (multiple)
    ``seconds``     wall-clock time of training; ``peak_memory`` in bytes
    ``examples``    a few predictions: text, predicted, confidence, and truth where it is known
    ``tasks``       the names of the tasks, where a run has several: each has its model in ``model/NAME``
    ``changes``     training rows that strategies change: strategy, and the text before and after
    ``sections``    what strategies and studies add, each the keywords of a ``Section``
    """

    name: str
    task: str
    scores: Record = field(default_factory=dict)
    recipe_text: str = ""
    command: str = ""
    model_about: str = ""
    base_model: str = ""
    licences: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[str] = ()
    languages: Sequence[str] = ()
    auto: str = ""
    adapter: bool = False
    events: Sequence[Record] = ()
    errors: Sequence[Record] = ()
    lengths: Sequence[int] = ()
    max_length: int | None = None
    truncated: int = 0
    bounds: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
    environment: Record = field(default_factory=dict)
    strategies: Sequence[Record] = ()
    parameters: Sequence[Record] = ()
    seconds: float | None = None
    tokens_per_second: float | None = None
    peak_memory: float | None = None
    examples: Sequence[Record] = ()
    tasks: Sequence[str] = ()
    changes: Sequence[Record] = ()
    sections: Sequence[Record] = ()

    @property
    def sizes(self) -> Record:
        """How many training rows have which number of tokens, and how many were cut by what."""
        counts = {str(length): count for length, count in sorted(Counter(self.lengths).items())}
        return {"lengths": counts, "max_length": self.max_length, "truncated": self.truncated, "bounds": self.bounds}


def sizes_together(parts: Sequence[Record]) -> dict[str, Any]:
    """The ``lengths``, ``max_length``, ``truncated`` and ``bounds`` of rows whose ``sizes`` are told in several parts."""
    limits = {part["max_length"] for part in parts}
    return {
        "lengths": [int(length) for part in parts for length, count in part["lengths"].items() for _ in range(count)],
        "max_length": limits.pop() if len(limits) == 1 else None,
        "truncated": sum(part["truncated"] for part in parts),
        "bounds": "; ".join(dict.fromkeys(part["bounds"] for part in parts if part["truncated"])),
    }
