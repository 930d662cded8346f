"""Everything that can be known before training: odd data, lengths, what learns, and what the run will cost here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import psutil
import torch

from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run, seed_of
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.lint import Finding, lint
from tunesmith.data.load import load
from tunesmith.engine.loop import fit
from tunesmith.model.build import Model, build
from tunesmith.model.surgery import summary
from tunesmith.recipes.recipe import Recipe

PROBE_STEPS = 4  # steps that are timed; one more warms up
FLOAT = 4  # bytes of a float32


@dataclass(frozen=True)
class Cost:
    """An estimate for this machine, from steps that were really done: ``seconds`` of training, bytes of memory and disk."""

    seconds: float
    memory: int
    disk: int
    steps: int
    tokens_per_second: float


@dataclass(frozen=True)
class Checked:
    """What ``tunesmith check`` shows. ``lengths`` are tokens of a training row at the 50th, 95th and 100th percentile."""

    notes: list[str]
    findings: list[Finding]
    model: str
    learns: str
    lengths: tuple[int, int, int]
    truncated: int
    rows: int
    said: list[str] = field(default_factory=list)
    cost: Cost | None = None

    def plain(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "findings": [{**asdict(finding), "text": str(finding)} for finding in self.findings]}


@dataclass
class Stopwatch(Observer):
    """Seconds and tokens of the steps after the first."""

    def __post_init__(self) -> None:
        self._seconds, self._tokens, self._said = 0.0, 0, list[str]()
        self._run: Run | None = None

    def begin(self, run: Run) -> None:
        self._run = run

    def say(self, message: str) -> None:
        self._said.append(message)

    def step(self, run: Run, record: Record) -> str | None:
        if record.step > 1:
            self._seconds, self._tokens = self._seconds + record.seconds, self._tokens + record.tokens
        return None


def check(recipe: Recipe, say: Callable[[str], None]) -> Checked:
    """Read the data, build the model, and time a few steps on a copy that is thrown away. Raises as training would."""
    data = load(recipe.data, recipe.task, recipe.seed, recipe.base_folder)
    findings = lint(data)
    torch.manual_seed(seed_of(recipe.seed, "head"))
    model = build(recipe.model_spec, recipe.task.head(), say)
    rows = encode(data.train, recipe.task, model.tokenizer)
    watch = Stopwatch()
    cost = probe(recipe, model, rows, watch)
    run = watch._run
    learns = summary([param for name, param in run.params.items() if run.rules[name].learns]) if run is not None else ""
    median, most, longest = (int(n) for n in np.percentile(rows.lengths, [50, 95, 100]))
    return Checked(data.notes, findings, model.about, learns, (median, most, longest), rows.truncated, len(rows), watch._said, cost)


def probe(recipe: Recipe, model: Model, rows: Encoded, watch: Stopwatch) -> Cost:
    """Train a few steps, and scale them by tokens to the whole run. Evaluations are counted as a third of a pass of training."""
    training = replace(recipe.training, steps=PROBE_STEPS + 1)
    began = time.perf_counter()
    fitted = fit(model, recipe.task, rows, recipe.strategies, training, None, [watch])
    seconds = watch._seconds or time.perf_counter() - began
    speed = watch._tokens / seconds
    steps_per_epoch = fitted.run.clock.steps_per_epoch
    steps = recipe.training.steps or max(1, round(recipe.training.epochs * steps_per_epoch))
    tokens = float(rows.lengths.sum()) * steps / steps_per_epoch
    learning = sum(p.numel() for p in fitted.run.learning().values())
    everything = sum(p.numel() for p in fitted.run.model.parameters())
    checkpoint = learning * FLOAT * 3  # weights and two moments
    return Cost(
        seconds=tokens / speed,
        memory=psutil.Process().memory_info().rss,
        disk=checkpoint * recipe.training.keep + (learning + everything) * FLOAT,
        steps=steps,
        tokens_per_second=speed,
    )
