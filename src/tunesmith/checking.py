"""Everything that can be known before training: odd data, lengths, what learns, and what the run will cost here."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from tunesmith.core.clock import Clock
from tunesmith.core.observer import Observer, Record
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run, seed_of
from tunesmith.core.task import Task
from tunesmith.core.words import Say
from tunesmith.data.batches import Source
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.lint import Finding, lint, untested
from tunesmith.data.load import load
from tunesmith.deciding import settled
from tunesmith.engine.loop import fit
from tunesmith.engine.micro import width
from tunesmith.engine.optimizer import Rates, rates
from tunesmith.engine.settings import Training
from tunesmith.engine.stack import Stack
from tunesmith.evaluate.score import TOKENS
from tunesmith.evidence import peak_memory
from tunesmith.explaining import Phase, Stretch, phase, timeline
from tunesmith.model.build import Model, build_for
from tunesmith.recipes.places import placed
from tunesmith.recipes.recipe import Recipe

PROBE_BATCHES = 2  # timed batches, spread over the lengths of the rows; the longest rows are one more
PROBE_SECONDS = 3.0  # after which no further batch is timed, once the longest rows were there
GROWTH = 1.1  # of what passes take, over a run: memory that was given back is in pieces, which other lengths do not fit (measured)
FLOAT = 4  # bytes of a float32
JUDGING = 15  # values for each of a hidden state that a pass without gradients holds at once, those of one layer (measured)
SIMPLE = 30e6  # bytes of the libraries of simple models (measured)
MOMENTS = 2  # values that the optimizer keeps for a weight


@dataclass(frozen=True)
class Cost:
    """An estimate for this machine, from steps that were really done: ``seconds`` of training and evaluation, bytes of memory and disk.

    ``memory_here`` is all that the machine has, ``disk_here`` what is free in the working folder.
    """

    seconds: float
    memory: int
    disk: int
    steps: int
    tokens_per_second: float
    memory_here: int
    disk_here: int

    def warnings(self) -> list[str]:
        """What does not suffice."""
        memory = ["The memory does not suffice: lower task.max_length or training.micro_batch, or freeze layers"]
        disk = ["The disk does not suffice: free some space, or name another with --runs DIR"]
        return (memory if self.memory > self.memory_here else []) + (disk if self.disk > self.disk_here else [])


@dataclass(frozen=True)
class Checked:
    """What ``tunesmith check`` shows. ``lengths`` are tokens of a training row at the 50th, 95th and 100th percentile.

    ``preview`` is one training row in pieces, and whether each is learned, where the task can say so; ``decided`` is what
    ``strategies: auto`` chose, and why.
    """

    model: str
    notes: list[str]
    rows: int
    lengths: tuple[int, int, int]
    truncated: int
    bounds: str
    rates: Rates
    phases: list[Phase]
    said: list[str]
    cost: Cost
    findings: list[Finding]
    preview: list[tuple[str, bool]]
    decided: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "findings": [{**asdict(finding), "text": str(finding)} for finding in self.findings]}


@dataclass
class Stopwatch(Observer):
    """Times the steps of a probe, and ends it, not before step ``least``. The first step is not counted: it sets things up."""

    steps: int
    least: int
    seconds: float = 0.0
    tokens: int = 0
    said: list[str] = field(default_factory=list)

    def begin(self, run: Run) -> None:
        self._began = time.perf_counter()

    def say(self, message: str) -> None:
        self.said.append(message)

    def step(self, run: Run, record: Record) -> str | None:
        if record.step > 1 or self.steps == 1:
            self.seconds, self.tokens = self.seconds + record.seconds, self.tokens + record.tokens
        late = record.step >= self.least and self.tokens > 0 and time.perf_counter() - self._began > PROBE_SECONDS
        return "timed" if late or record.step >= self.steps else None


@dataclass(frozen=True)
class Probe:
    """A few steps of a run that were really done.

    ``run``        as they left it, its clock at the beginning; ``stretches`` the plan over all of its time, ``rates`` the highest
    ``before``     bytes of memory held before the steps, the weights among them; ``after`` the most that was held during them
    """

    run: Run
    watch: Stopwatch
    stretches: list[Stretch]
    rates: Rates
    before: int
    after: int


@placed
def check(recipe: Recipe, say: Say) -> Checked:
    """Read the data, build the model, and time a few steps on a copy that is thrown away. Raises as training would."""
    data = load(recipe.data, recipe.task, recipe.seed, recipe.base_folder)
    findings = [*untested(data), *lint(data)]
    torch.manual_seed(seed_of(recipe.seed, "head"))
    model = build_for(recipe.task, recipe.model_spec, say)
    decided: list[str] = []
    recipe = settled(recipe, data, model, decided.append)
    rows = encode(data.train, recipe.task, model.tokenizer)
    judged = len(data.validation) / len(rows) if data.validation is not None else 0.0
    median, most, longest = (int(n) for n in np.percentile(rows.lengths, [50, 95, 100]))
    done = probe(recipe, model, rows)
    return Checked(
        model=model.about,
        notes=data.notes,
        rows=len(rows),
        lengths=(median, most, longest),
        truncated=rows.truncated,
        bounds=recipe.task.bounds,
        rates=done.rates,
        phases=[phase(done.run.params, stretch) for stretch in done.stretches],
        said=done.watch.said,
        cost=estimate(recipe.training, done, int(rows.lengths.sum()), judged),
        findings=findings,
        preview=recipe.task.preview(rows[int(np.argsort(rows.lengths, kind="stable")[len(rows) // 2])], model.tokenizer),
        decided=decided,
    )


def probe(recipe: Recipe, model: Model, rows: Encoded) -> Probe:
    """Train a few steps of the run."""
    training = recipe.training
    per_epoch = -(-len(rows) // training.batch_size)
    steps = training.steps or max(1, round(training.epochs * per_epoch))
    few = some(rows, recipe.task, training.batch_size)
    source = Source(few, training.batch_size, training.seed)
    longest = max(range(source.batches_per_epoch), key=lambda batch: few.lengths[source.rows(batch)].sum())
    watch = Stopwatch(min(steps, source.batches_per_epoch), longest + 1)
    weights = sum(parameter.nbytes for parameter in model.module.parameters())
    before = weights if torch.cuda.is_available() else psutil.Process().memory_info().rss
    run = fit(model, recipe.task, few, recipe.strategies, replace(training, steps=steps), None, [watch]).run
    after = int(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else int(peak_memory())
    run.clock = Clock(0, steps, per_epoch)
    stack = Stack(recipe.strategies, recipe.task)
    highest = rates(run, training, stack.learning(run), stack.natural_rate)
    return Probe(run, watch, timeline(stack, run), highest, before, after)


def estimate(training: Training, done: Probe, tokens: int, judged: float) -> Cost:
    """What a whole run costs that reads ``tokens`` in an epoch, and judges a row for 1 / ``judged`` of the training rows."""
    run, clock = done.run, done.run.clock
    works = [work(run.params, stretch.rules) for stretch in done.stretches]
    average = sum((s.last - s.first + 1) * effort for s, effort in zip(done.stretches, works, strict=True)) / clock.total
    evaluations = clock.times(training.evaluate_every) if judged else 0
    saves = clock.times(training.save_every or training.evaluate_every)
    epochs = clock.total / clock.steps_per_epoch * average + evaluations * judged  # a forward pass is an effort of 1
    speed = done.watch.tokens / done.watch.seconds * works[0]

    learning = {name for stretch in done.stretches for name, rule in stretch.rules.items() if rule.learns}
    learned = sum(run.params[name].size for name in learning) * FLOAT
    late = sum(run.params[name].size for name in learning - run.touched) * FLOAT * (1 + MOMENTS)
    whole = sum(param.size for param in run.params.values()) * FLOAT
    kept = size(run.snapshot()["optimizer"]) + sum(run.params[name].size for name in run.touched) * FLOAT  # moments and gradients
    passes = max(0, done.after - done.before - kept) * max(works) / works[0] * GROWTH
    judging = min(TOKENS, tokens) * width(run.model) * JUDGING * FLOAT
    return Cost(
        seconds=tokens * epochs / speed,
        # The base, to be judged, comes where gradients and moments were; judging has larger tensors than what passes gave back.
        memory=int(done.before + passes + judging + max(kept + late, whole + SIMPLE)),
        disk=(size(run.snapshot()) + late) * min(training.keep + 1, saves) + learned + whole,
        steps=clock.total,
        tokens_per_second=speed / average,
        memory_here=memory_here(),
        disk_here=shutil.disk_usage(Path.cwd()).free,
    )


def some(rows: Encoded, task: Task, batch_size: int) -> Encoded:
    """The rows of a few batches, of every length."""
    chosen = sorted((rows[row] for row in spread(rows.lengths, batch_size)), key=task.part_of)
    return Encoded([list(items) for _, items in groupby(chosen, task.part_of)])


def spread(lengths: np.ndarray, batch_size: int) -> np.ndarray:
    """The rows of a few batches that stand for all: rows of like length together, from short ones to the longest."""
    order = np.argsort(lengths, kind="stable")
    if len(order) <= (PROBE_BATCHES + 1) * batch_size:
        return order
    starts = [round((number + 0.5) / PROBE_BATCHES * len(order) - batch_size / 2) for number in range(PROBE_BATCHES)]
    return np.unique(np.concatenate([order[start : start + batch_size] for start in (*starts, len(order) - batch_size)]))


def work(params: Mapping[str, Param], rules: Mapping[str, Rule]) -> float:
    """What a step costs beside a forward pass: gradients pass the layers from the lowest that learns, and are taken for what learns."""
    inner = [param for param in params.values() if 1 <= param.depth <= param.layers]
    learning = [param for param in params.values() if rules[param.name].learns]
    if not inner or not learning:
        return 1.0
    layers, frontier = inner[0].layers, max(1, min(param.depth for param in learning))
    return 1 + max(0, layers + 1 - frontier) / layers + sum(p.size for p in inner if rules[p.name].learns) / sum(p.size for p in inner)


def size(state: Any) -> int:
    """Bytes of all tensors in nested dictionaries and lists."""
    return sum(tensor.nbytes for tensor in tensors(state))


def tensors(state: Any) -> Iterator[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, Mapping | Sequence) and not isinstance(state, str):
        for part in state.values() if isinstance(state, Mapping) else state:
            yield from tensors(part)


def memory_here() -> int:
    """All the memory of the GPU, or of the machine."""
    return int(torch.cuda.mem_get_info()[1]) if torch.cuda.is_available() else int(psutil.virtual_memory().total)
