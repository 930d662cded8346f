"""A strategy: eight seams, each of which does nothing until a strategy overrides it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar

from torch import nn

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Clock
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.task import Prediction, Row

Objective = Callable[[Batch, Forward], Loss]
Rows = list[dict[str, Any]]
ORDER = "the order of the rows"  # a capability: see ``feed``


class Memory:
    """What an object holds beside its settings: checkpointed by itself, tensors and JSON values alike.

    A name with a leading underscore is not memory: an open file, a value that is computed again.

    ``by_evaluations``  whether it decides by evaluations, so that a recipe with it must have validation rows
    ``needs``           capabilities that the task must offer, or for a strategy something in the run may own
    """

    by_evaluations: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset()
    _key: str = ""  # where a recipe has it: strategies.0.freeze

    def settings(self) -> dict[str, Any]:
        """The dataclass fields by name; a class that is no dataclass has none."""
        return {f.name: getattr(self, f.name) for f in fields(self)} if is_dataclass(self) else {}

    def sections(self) -> Sequence[Mapping[str, Any]]:
        """What the report shows of it when the run is done: the keywords of ``Section`` for each."""
        return ()

    def memory(self) -> dict[str, Any]:
        """Everything on ``self`` that is no setting: tensors, numbers, texts, None, and lists and dictionaries of them."""
        own = self.settings()
        return {name: value for name, value in vars(self).items() if name not in own and not name.startswith("_")}

    def recall(self, memory: dict[str, Any]) -> None:
        """Take back what ``memory`` returned."""
        vars(self).update(memory)


@dataclass(frozen=True)
class Past:
    """What earlier stages left to a strategy of this one.

    ``rows``    the training rows of each earlier stage of the same task, as ``Task.read`` returned them, the oldest stage first
    ``memory``  what the same strategy held when the stage before ended; empty where it was not there
    """

    rows: Sequence[Sequence[dict[str, Any]]] = ()
    memory: Mapping[str, Any] = field(default_factory=dict)


class Strategy(Memory):
    """One way of fine-tuning, as a dataclass whose fields are its settings. See ``docs/tour.md`` for when each seam runs.

    ``objective``  replaces the task's objective; at most one strategy of a run has one
    ``owns``       capabilities claimed for this run; two strategies that claim the same are refused
    ``foresees``   whether ``plan`` can be asked about the future
    ``natural_rate``  the learning rate that it wants where the recipe gives none, and the source of that
    ``inherits``   whether it takes up what it held at the end of the stage before, in a run of several
    ``shardable``  whether it is right, too, where each process holds a part of every weight and gradient (``training.shard``) and computes
                   as often as the others; what overrides nothing but ``plan`` and ``begin`` is
    ``compares``   whether it compares the rows of a micro-batch with each other, which are not split then unless memory asks for it
    ``all_tokens``  whether tokens learn that are in none of the training rows: it brings rows of its own, or asks for words; all of the
                   table of embeddings takes part in training then
    ``perturbs``   whether it changes what the layers are given: noise on embeddings, for example; nothing below the frontier is kept then
    ``rewrites``   whether ``feed`` changes rows, otherwise each time; nothing below the frontier is kept then
    """

    objective: ClassVar[Any] = None  # an Objective; typed Any, since a method is one too
    owns: ClassVar[frozenset[str]] = frozenset()
    foresees: ClassVar[bool] = True
    inherits: ClassVar[bool] = False
    compares: ClassVar[bool] = False
    perturbs: ClassVar[bool] = False
    rewrites: ClassVar[bool] = False
    all_tokens: ClassVar[bool] = False
    shardable: ClassVar[bool] = False
    natural_rate: ClassVar[tuple[float, str] | None] = None
    _past: Past | None = None
    _changes: Sequence[tuple[str, str]] = ()

    @classmethod
    def example(cls) -> Strategy:
        """Its smallest setting that does something on a tiny model; the contract tests train with it."""
        return cls()

    # folds: transform a value
    def adapt(self, model: nn.Module) -> nn.Module:
        """Change the architecture, before anything is trained."""
        return model

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        """PURE: does this parameter learn, and how fast, at this time."""
        return rule

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        """Change the stream of encoded rows; each item makes one optimizer step. ``run.train`` holds all of them.

        One that owns ``ORDER`` chooses rows of ``run.train`` itself: it comes before all others, which add rows to them or change them.
        """
        return batches

    # onions: wrap an inner call
    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        """Wrap the objective of one micro-batch."""
        return inner(batch)

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        """Wrap forward and backward of one optimizer step. ``inner`` leaves mean gradients, summed over ranks, in ``.grad``."""
        return inner(batches)

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        """Wrap the weight update."""
        inner()

    def changes(self) -> Sequence[tuple[str, str]]:
        """Some training rows as texts, each before and after it was changed, where ``feed`` changes any: the report shows them."""
        return self._changes

    # brackets
    def inherit(self, past: Past) -> None:
        """A run of several stages tells what its earlier ones left, before ``begin``; ``_past`` stays None in a run of one."""
        self._past = past

    def begin(self, run: Run) -> None:
        """The model is built and nothing is trained yet: take snapshots here."""

    @contextmanager
    def finished(self, run: Run) -> Iterator[None]:
        """The model as it is judged and shipped; undo on exit, from a copy."""
        yield

    def settle(self, run: Run, answers: Callable[[], list[Prediction]], truths: Sequence[Row]) -> None:
        """The weights that ship are in the model: choose by validation rows what was left open until now, and say it.

        ``answers`` gives the predictions of the model as it is for those rows, and ``truths`` are they as ``Task.read`` returned them;
        there may be none.
        """

    # for the report
    def worth(self, answers: Sequence[str], questions: Sequence[str], references: Sequence[str]) -> list[float] | None:
        """What each answer is worth to a strategy that learns from rewards: base and tuned model are compared by that, too."""
        return None
