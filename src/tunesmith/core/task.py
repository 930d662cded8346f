"""A task: its columns, its encoding, its head, its objective, how it decodes, and its metrics."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from torch import nn

from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss

Row = dict[str, Any]
BOUNDS = ("max_length", "max_source_length", "max_target_length", "max_seconds")  # settings of tasks by which long rows are cut
UNITS = ("line", "paragraph", "file")  # what of a text file is a row
Prediction = dict[str, Any]
Statistic = Callable[[Any], float]  # of row numbers, (n,) int64, with repetition


@dataclass(frozen=True)
class Column:
    """A column that a task reads.

    ``role``      what the task calls it
    ``names``     header names that mean it, best first, before them the role where it is none of them; compared without case, blanks and
                  punctuation
    ``required``  whether rows without it can be used
    ``truth``     whether it holds the answer, and so may be absent when predicting
    ``label``     whether it holds labels of whole rows, which are counted and held out in proportion, rather than texts, tags or places
    ``tags``      whether it holds a tag for each token, or entities: a row with one that no other has is not held out
    ``separator`` what parts several values in one cell, empty where a cell holds one
    ``file``      whether a text in it is the path of a file, from the folder of the data file
    ``blank``     whether an empty cell says something: that a question has no answer, for example
    ``unit``      what of a text file is a row, where rows are read from one: a line, a paragraph (between blank lines), or the file
    ``group``     whether rows with the same value belong together, so that a part that is held out gets all of them or none
    ``usual``     where other columns can stand for it: what it holds in a row to predict as a rule, ``"..."`` or a list of texts
    """

    role: str
    names: tuple[str, ...]
    required: bool = True
    truth: bool = False
    label: bool = False
    tags: bool = False
    separator: str = ""
    file: bool = False
    blank: bool = False
    group: bool = False
    unit: str = "line"
    usual: Any = None


def named(labels: Sequence[str]) -> dict[str, Any]:
    """What the configuration of a model with an output for each label is told."""
    names = dict(enumerate(labels))
    return {"num_labels": len(names), "id2label": names, "label2id": {label: number for number, label in names.items()}}


@dataclass(frozen=True)
class Head:
    """Which class of transformers holds the model, and what its configuration is told.

    ``auto``       the name of the class: ``AutoModelForSequenceClassification``
    ``otherwise``  names of classes for the families that ``auto`` does not know, best first
    ``families``   the head of families that have one of their own for the task, by ``model_type``
    ``instead``    what may be set in the recipe where a family has no such class: ``task.language: causal``
    """

    auto: str
    config: Mapping[str, Any]
    otherwise: tuple[str, ...] = ()
    families: Mapping[str, Head] = field(default_factory=dict)
    instead: str = ""

    def of(self, family: str) -> Head:
        """The head of a model of a family."""
        return self.families.get(family, self)


class RowError(Exception):
    """One row cannot be used; the reader of the data knows where it stands and adds the place."""

    def __init__(self, message: str, remedy: str = "", column: str = "") -> None:
        super().__init__(message)
        self.message, self.remedy, self.column = message, remedy, column


class Task(ABC):
    """One kind of work, as a dataclass whose fields are its settings; what it learns from data (label names) is a setting too.

    ``primary``           the metric that decides, among those that ``metrics`` returns
    ``higher_is_better``  its direction
    ``offers``            capabilities that strategies may need, ``logits`` (``Loss.logits`` is set) for example
    ``compares``          whether its loss compares the rows of a micro-batch with each other: it is no sum over rows then, and changes with
                          ``training.micro_batch``
    ``pace``              what the learning rate is multiplied by where neither the recipe nor a strategy names one
    ``packed``            whether several texts may share a row of a batch without seeing each other, which ``meet`` says
    """

    offers: ClassVar[frozenset[str]] = frozenset()
    compares: ClassVar[bool] = False
    pace: ClassVar[float] = 1.0
    packed: bool = False

    @property
    @abstractmethod
    def primary(self) -> str: ...

    @property
    def higher_is_better(self) -> bool:
        return True

    @property
    def bounds(self) -> str:
        """What cuts long rows, in words: the settings of that purpose, and the model."""
        own = [f"task.{name} {value:,g}" for name, value in self.settings().items() if name in BOUNDS]
        return f"{', '.join(own)} or what the model takes" if own else "what the model takes"

    @classmethod
    @abstractmethod
    def example(cls) -> tuple[Self, list[Row]]:
        """A small setting and a dozen rows by role; the contract tests train with them."""

    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """The columns it reads."""

    @abstractmethod
    def learn(self, rows: Iterable[Row]) -> list[str]:
        """Take from the training rows (raw values by role) what the task must know: its label names. Settings that were given stay.

        Returns what it found, in lines for the user. Raises ``InputError`` for rows that cannot be learned from.
        """

    @abstractmethod
    def read(self, row: Row) -> Row:
        """One row by role, checked and converted: texts stripped of nothing, labels as ids. Raises ``RowError``."""

    def teaches(self, row: Row) -> None:
        """Raise ``RowError`` for a row that ``read`` returned without the truth in it, where no column says so: a chat without answer."""

    def asked_by(self) -> list[Column]:
        """The columns that a row to predict has as a rule: where there is one, a text or a file alone is a row."""
        return [column for column in self.columns() if not column.truth and (column.required or column.usual)]

    def asked(self, row: Row) -> Row:
        """A row that ``read`` returned, without its truth where that stands among what is asked: the last answer of a conversation."""
        return row

    def meet(self, module: nn.Module, tokenizer: Any) -> list[str] | None:
        """See the model before any row is encoded: whether it is an encoder-decoder, or how large its images are.

        Returns what the user should know, in lines. Raises ``InputError`` where the model cannot do the task.
        """
        return None

    def start(self, run: Any) -> None:
        """The model is adapted and no strategy has seen its weights: those of a new head may begin nearer to what ``train`` tells."""

    def begin(self, run: Any) -> None:
        """The model is built and nothing is trained yet: what the objective compares with is computed here, for ``train`` of a ``Run``."""

    def unpack(self) -> bool:
        """Give every text a row of the batch of its own from now on; returns whether several could share one before."""
        before, self.packed = self.packed, False
        return before

    @abstractmethod
    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        """Features of rows that ``read`` returned: flat lists of numbers and numbers; ``input_ids`` among them for text.

        A feature ``length`` is the number of positions it takes; ``truncated`` how many were cut. A row that is too long for one
        item may become several, one after the other: each then says in ``example`` which of ``rows`` it is a part of, and every row
        has at least one. ``tokenizer`` is a processor where the model reads images or sound. Raises ``RowError`` for a row that
        cannot be encoded.
        """

    def part_of(self, item: Row) -> int:
        """Which part of the task an item of ``encode`` is of, where there are several: items of two never share a micro-batch."""
        return 0

    @abstractmethod
    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        """Features of some items as padded tensors. Each holds ``row``: the index of the row it is of in the data set."""

    @abstractmethod
    def head(self) -> Head:
        """The model class and its settings."""

    @abstractmethod
    def objective(self, batch: Batch, forward: Forward) -> Loss:
        """The loss of one batch."""

    @abstractmethod
    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        """A prediction for each item of the batch, from what the model put out: JSON values."""

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        """A prediction for each item of the batch. Tasks that need more than one pass, generation above all, override it."""
        return self.decode(batch, forward(batch))

    def reached(self, batch: Batch, forward: Forward) -> Forward:
        """The forward pass that a batch takes, where ``forward`` is that of the whole model: of several tasks, each has its head."""
        return forward

    def merge(self, parts: Sequence[Prediction]) -> Prediction:
        """The prediction of a row from those of its items, in their order, where ``encode`` makes several of one row."""
        return parts[0]

    def together(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """The predictions of all rows that were asked together: those that are ranked among each other are compared here."""
        return list(predictions)

    def beside(self, predictions: Sequence[Prediction], base: Sequence[Prediction]) -> list[Prediction]:
        """Predictions with what is to be said of them beside those of the base model for the same rows."""
        return list(predictions)

    def baselines(self, train: Iterable[Row], asked: Sequence[Row]) -> Mapping[str, Sequence[Prediction]]:
        """What the simplest methods answer to ``asked``, by their names: the most frequent tag of a word, the first sentence.

        Both are rows that ``read`` returned; an answer must not look at the truth of the row that it is for.
        """
        return {}

    def check_judged(self, truths: Iterable[Row]) -> None:
        """Raise ``InputError`` for rows, as ``read`` returned them, by which nothing can be judged."""

    @abstractmethod
    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        """Scores by name, ``primary`` among them where it is defined; ``truths`` are rows that ``read`` returned, in the same order."""

    def verdict(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> float:
        """``primary`` of ``metrics``, NaN where it is undefined: the area under a curve of rows that all have one label, for example."""
        found = self.metrics(predictions, truths).get(self.primary)
        return math.nan if found is None else float(found)

    @abstractmethod
    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        """How right each prediction is, 0 to 1, or minus its error: what flips and paired intervals count."""

    def over(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> Statistic | None:
        """``primary`` as a function of row numbers, NaN where it is undefined, quick enough to be asked a thousand times.

        None where it is not known: a metric that is the mean of what ``correct`` returns needs none.
        """
        return None

    @abstractmethod
    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        """A row that ``read`` returned and its prediction for people: ``text``, ``predicted``, ``truth`` and ``confidence`` where known."""

    def exchange(self, row: Row) -> tuple[str, str] | None:
        """What a row asks, and the answer that it has, for strategies that reward answers; None where rows ask nothing."""
        return None

    def preview(self, item: Row, tokenizer: Any) -> list[tuple[str, bool]]:
        """The text of one item of ``encode`` in pieces, and whether each is learned; empty where that is not the question."""
        return []

    def files(self, module: nn.Module) -> Mapping[str, Any]:
        """JSON values that the saved model gets beside its own files, by their paths: what other libraries look for there."""
        return {}

    def settings(self) -> dict[str, Any]:
        """The dataclass fields by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
