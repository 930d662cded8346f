"""Micro-batches: how many rows go through the model at once, found by itself and halved when memory runs out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import psutil
import torch

from tunesmith.core.batch import Batch
from tunesmith.core.errors import DivergedError, InputError, Problem, ResourceError
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run, seed_of
from tunesmith.core.strategy import Rows
from tunesmith.core.task import Task
from tunesmith.data.batches import micro_batches
from tunesmith.engine import distributed
from tunesmith.engine.settings import Training

# Bytes of activations that a position of a transformer layer keeps for the backward pass, per unit of hidden size: 34 half-precision
# values (Korthikanti et al. 2022, "Reducing Activation Recomputation", section 4.1), doubled because residuals stay in float32.
ACTIVATION_BYTES = 34 * 2 * 2

# Times the first loss of a run, or 1 where that is less: from there on its weights are worth nothing, finite as they may be.
RUNAWAY = 1e3


class MicroBatches:
    """Splits the rows of a step into micro-batches for this rank, and tries again with half of them when memory runs out.

    The split depends on the rows and the micro-batch size alone, not on the number of ranks: rank r takes micro-batches r, r + world, ...
    """

    def __init__(self, task: Task, tokenizer: object, training: Training, run: Run) -> None:
        self.task, self.tokenizer, self.run = task, tokenizer, run
        most = math.ceil(training.batch_size / distributed.world())
        self.rows = min(most, training.micro_batch or most)
        self.first: float | None = None  # mean loss of the run's first step
        self.positions = None if training.micro_batch else positions_that_fit(run)
        if task.compares and self.rows < 2:
            remedy = "Raise training.batch_size and training.micro_batch: 32 or more do well"
            raise InputError(Problem("The task compares the rows of a micro-batch with each other, and there is one in each", remedy))

    def state(self) -> dict[str, float | None]:
        """What a checkpoint keeps, so that a resumed run splits its steps in the same way."""
        return {"rows": self.rows, "positions": self.positions, "first": self.first}

    def load(self, state: dict[str, float | None]) -> None:
        vars(self).update(state)

    def split(self, rows: Rows) -> list[Batch]:
        """This rank's micro-batches of a step, on the run's device."""
        parts: dict[int, Rows] = {}
        for row in rows:
            parts.setdefault(self.task.part_of(row), []).append(row)
        draw = {"draw": seed_of(self.run.seed, "draw", self.run.clock.step)}
        pieces = [
            [{**own[i], **draw} for i in piece]
            for _, own in sorted(parts.items())
            for piece in micro_batches(np.array([row["length"] for row in own]), self.rows, self.positions)
        ]
        mine = pieces[distributed.rank() :: distributed.world()]
        return [self.task.collate(piece, self.tokenizer).to(self.run.device) for piece in mine]

    def compute(self, rows: Rows, gradient: Callable[[Sequence[Batch]], Loss]) -> tuple[list[Batch], Loss]:
        """The micro-batches of a step and the loss that ``gradient`` finds for them.

        The micro-batch is halved for the rest of the run when memory runs out. Raises ``DivergedError`` when the loss is not finite, or
        has run away.
        """
        while True:
            try:
                batches = self.split(rows)
                loss = gradient(batches)
                break
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if self.rows <= 1 + self.task.compares:
                    raise ResourceError(
                        "One row does not fit into memory", remedy="Lower task.max_length, freeze layers, or use lora"
                    ) from error
            self.rows = math.ceil(self.rows / 2)
            self.run.say(f"memory ran out: going on with micro-batches of {self.rows} rows; batch_size stays what it is")
            if self.run.device.type == "cuda":
                torch.cuda.empty_cache()
        mean = float(loss.sum) / (loss.count or 1.0)
        self.first = mean if self.first is None else self.first
        if not math.isfinite(mean) or abs(mean) > RUNAWAY * max(1.0, abs(self.first)):
            raise DivergedError(
                f"The loss is {mean:.4g} at step {self.run.clock.step + 1}, on rows {sorted(row['row'] for row in rows)}",
                remedy="Lower training.learning_rate (a third is a good try), or look at these rows; the last good checkpoint is kept",
            )
        return batches, loss


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out; on CPU torch raises a plain RuntimeError."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text or "out of memory" in text


def positions_that_fit(run: Run) -> int | None:
    """How many positions a micro-batch may have so that activations take at most half of the memory of a CPU.

    A CPU has no error to recover from, the system ends the process; a GPU has, and needs no estimate. All memory counts, not what is
    free just now: the same recipe must split its steps in the same way each time.
    """
    if run.device.type != "cpu":
        return None
    config = getattr(run.model, "config", None)
    hidden = getattr(config, "hidden_size", None) or getattr(config, "d_model", None) or 1024
    layers = max(param.layers for param in run.params.values())
    memory = psutil.virtual_memory().total / distributed.world()
    return max(512, int(memory / 2 / (ACTIVATION_BYTES * hidden * layers)))
