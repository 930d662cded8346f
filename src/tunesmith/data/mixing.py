"""How many rows of each task a step of a mixture holds, and which: a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tunesmith.core.mixture import Mixture
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import ORDER, Rows, Strategy
from tunesmith.data.batches import Indices, batch_order
from tunesmith.data.encode import numbers_of

Shares = npt.NDArray[np.float64]

ANNEALED = 0.8  # by how much the exponent of the sizes falls


@dataclass
class Mixing:
    """The rule by which the rows of a step are drawn from the tasks of a mixture.

    With n_t rows of task t, its share is n_t / sum n (size), n_t^(1/T) / sum n^(1/T) (temperature), 1 / tasks (equal), what is written
    (weights), or n_t^a / sum n^a, a falling from 1 to 0.2 in a line over the run (annealed). Sources: Raffel et al. 2020, "Exploring the
    Limits of Transfer Learning", section 3.5.2; annealed: Stickland & Murray 2019, "BERT and PALs", section 4.1, where it falls with each
    epoch.
    """

    by: str = setting("size", "what the shares of the tasks follow", choices=("size", "temperature", "equal", "weights", "annealed"))
    temperature: float = setting(2.0, "temperature: 1 is size, the higher the more equal", low=1)
    limit: int | None = setting(None, "not equal or weights: rows of a task that count at most; the others are used too", low=1)
    weights: dict[str, float] = setting(factory=dict, text="weights: the share of each task by name, of any sum", above=0)

    applies: ClassVar[dict[str, tuple[str, tuple[Any, ...]]]] = {
        "temperature": ("by", ("temperature",)),
        "limit": ("by", ("size", "temperature", "annealed")),
        "weights": ("by", ("weights",)),
    }

    def shares(self, sizes: Mapping[str, int], progress: Shares) -> Shares:
        """The share of each task (steps, tasks) at every ``progress`` (steps,) of a run, 0 to 1; ``sizes`` are rows by name."""
        counted = np.minimum(np.array(list(sizes.values()), float), np.inf if self.limit is None else self.limit)
        rules: dict[str, Callable[[], Any]] = {
            "size": lambda: counted,
            "temperature": lambda: counted ** (1 / self.temperature),
            "equal": lambda: np.ones(len(sizes)),
            "weights": lambda: np.array([self.weights[name] for name in sizes]),
            "annealed": lambda: counted ** (1 - ANNEALED * progress[:, None]),
        }
        found = np.broadcast_to(rules[self.by](), (len(progress), len(sizes)))
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def counts(self, sizes: Mapping[str, int], batch_size: int, steps: int, seed: int) -> Indices:
        """How many rows of each task (steps, tasks) the steps of a run hold."""
        return drawn(self.shares(sizes, np.arange(steps) / max(1, steps - 1)), batch_size, seed)


@dataclass
class MixedRows(Strategy):
    """Puts rows by ``rule`` in the place of a step's rows. Each task goes through its own, in an order of their own, again and again."""

    rule: Mixing
    batch_size: int

    owns: ClassVar[frozenset[str]] = frozenset({ORDER})
    shardable: ClassVar[bool] = True

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        assert isinstance(run.task, Mixture)
        sizes = {name: member.items for name, member in run.task.members.items()}
        counts = self.rule.counts(sizes, self.batch_size, run.clock.total, run.seed)
        order = Draws(np.split(np.arange(len(run.train)), np.cumsum([*sizes.values()])[:-1]), counts, run)
        for _ in batches:
            yield [run.train[row] for row in order.rows(run.clock.step)]


class Draws:
    """The items of every step of a run, drawn from several parts of the training items.

    ``parts`` are the items of each, ``counts`` (steps, parts) how many a step holds. A part has an order of its own, epoch after epoch of
    its own, in which items of like length stand together.
    """

    def __init__(self, parts: Sequence[Indices], counts: Indices, run: Run) -> None:
        lengths = numbers_of(run.train, "length")
        self.parts, self.lengths = parts, [lengths[part] for part in parts]
        self.counts, self.ends = counts, np.cumsum(counts, axis=0)
        self.per_step, self.seed = [max(1, round(count)) for count in counts.mean(axis=0)], run.seed
        self._epochs: dict[int, tuple[int, Indices]] = {}

    def rows(self, step: int) -> list[int]:
        """The items of a step, part after part: a pure function of the seed and the step."""
        ends, counts = self.ends[step], self.counts[step]
        return [self._row(part, place) for part in range(len(ends)) for place in range(ends[part] - counts[part], ends[part])]

    def _row(self, part: int, place: int) -> int:
        """The item that stands at a place in the order of a part, counted from the first epoch on."""
        epoch, index = divmod(int(place), len(self.parts[part]))
        if self._epochs.get(part, (-1,))[0] != epoch:
            batches = batch_order(self.lengths[part], self.per_step[part], seed_of(self.seed, "mixing", part), epoch)
            self._epochs[part] = (epoch, np.concatenate([*batches]))
        return int(self.parts[part][self._epochs[part][1][index]])


def drawn(shares: Shares, batch_size: int, seed: int) -> Indices:
    """How many rows of each task (steps, tasks) a step holds: ``batch_size`` together, each count its share rounded up or down by chance.

    Systematic sampling: ``batch_size`` points one apart, the first at random in [0, 1), fall into intervals as long as the shares times
    ``batch_size``. The expectation of a count is exactly that.
    """
    first = np.random.default_rng(seed_of(seed, "mixing")).random((len(shares), 1))
    ends = np.cumsum(shares, axis=1) * batch_size
    ends[:, -1] = batch_size  # the sum of shares may be a little off
    below = np.clip(np.ceil(ends - first), 0, batch_size).astype(np.int64)  # the points that lie below each end
    return np.diff(below, axis=1, prepend=0)
