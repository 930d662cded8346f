"""Micro-batches: how many rows go through the model at once, found by itself and halved when memory runs out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import torch
from torch import nn

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem, ResourceError
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run, seed_of
from tunesmith.core.strategy import Rows
from tunesmith.core.task import Task
from tunesmith.data.batches import micro_batches
from tunesmith.engine import distributed
from tunesmith.engine.divergence import Divergence
from tunesmith.engine.settings import ENOUGH, Training
from tunesmith.model.recompute import recompute

# Bytes of activations that a position of a transformer layer keeps for the backward pass, per unit of hidden size: 34 half-precision
# values (Korthikanti et al. 2022, "Reducing Activation Recomputation", section 4.1), doubled because residuals stay in float32.
ACTIVATION_BYTES = 34 * 2 * 2
KEPT_BYTES = 4  # of a layer that computes its activations again: what it is given, in float32


class MicroBatches:
    """Splits the rows of a step into micro-batches for this rank, and tries again with half of them when memory runs out.

    The split depends on the rows and the micro-batch size alone, not on the number of ranks: rank r takes micro-batches r, r + world, ...
    ``whole`` asks that rows stay together as long as memory allows it, since they are compared with each other.
    """

    def __init__(self, task: Task, tokenizer: object, training: Training, run: Run, whole: bool = False) -> None:
        self.task, self.tokenizer, self.run = task, tokenizer, run
        most = math.ceil(training.batch_size / distributed.world())
        self.rows = min(most, training.micro_batch or most)
        self.divergence = Divergence(run)
        self.recompute, self.recomputes = training.recompute, False
        self._begin_to_recompute()
        self.positions = None if training.micro_batch else positions_at_once(run, self.recomputes, whole)
        if task.compares and self.rows < 2:
            remedy = "Raise training.batch_size and training.micro_batch: 32 or more do well"
            raise InputError(Problem("The task compares the rows of a micro-batch with each other, and there is one in each", remedy))

    def _begin_to_recompute(self) -> None:
        """Compute activations again where that is asked for, or where the longest row would not fit otherwise."""
        if self.recompute == "always" and not self._recomputing():
            problem = "The layers of this model cannot compute their activations again"
            raise InputError(Problem(problem, "Leave it out, and lower task.max_length", key="training.recompute"))
        fitting, lengths = positions_that_fit(self.run), getattr(self.run.train, "lengths", None)
        longest = int(lengths.max()) if lengths is not None and len(lengths) else 0
        if self.recompute == "auto" and fitting is not None and longest > fitting and self._recomputing():
            self.run.say(f"memory: a row of {longest:,} tokens would not fit, so activations are computed again for the backward pass")

    def _recomputing(self) -> bool:
        """Begin to compute activations again, where the model can and does not yet."""
        if self.recomputes:
            return False
        self.recomputes = recompute(self.run.model) > 0
        return self.recomputes

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, so that a resumed run splits its steps in the same way, and judges its losses by the same first one."""
        return {"rows": self.rows, "positions": self.positions, "divergence": self.divergence.state()}

    def load(self, state: dict[str, Any]) -> None:
        self.rows, self.positions = state["rows"], state["positions"]
        self.divergence.load(state["divergence"])

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
        mine = [(number, False) for number in range(distributed.rank(), len(pieces), distributed.world())]
        if self.run.forward.sharded:  # every rank has to be there in each pass
            mine += [(0, True)] * (math.ceil(len(pieces) / distributed.world()) - len(mine))
        return [self._collated(pieces[number], number, idle) for number, idle in mine]

    def _collated(self, piece: Rows, number: int, idle: bool) -> Batch:
        return replace(self.task.collate(piece, self.tokenizer), micro=number, idle=idle).to(self.run.device)

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
                self._give_way(error)
            if self.run.device.type == "cuda":
                torch.cuda.empty_cache()
        self.divergence.check(float(loss.sum) / (loss.count or 1.0), sorted(row["row"] for row in rows))
        return [batch for batch in batches if not batch.idle], loss

    def _give_way(self, error: BaseException) -> None:
        """Take less memory from now on, or raise ``ResourceError`` where nothing is left to give up.

        Of several processes all stop: the others are in the middle of the step, and have split its rows in the old way.
        """
        if distributed.world() > 1:
            remedy = "Set training.micro_batch lower, or training.recompute: always, and train again"
            raise ResourceError("Memory ran out in one of the processes", remedy=remedy) from error
        if self.rows > 1 + self.task.compares:
            self.rows = math.ceil(self.rows / 2)
            self.run.say(f"memory ran out: going on with micro-batches of {self.rows} rows; batch_size stays what it is")
        elif self.recompute == "auto" and self._recomputing():
            self.run.say("memory ran out: activations are computed again for the backward pass from now on")
        else:
            raise ResourceError("One row does not fit into memory", remedy="Lower task.max_length, freeze layers, or use lora") from error


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out; on CPU torch raises a plain RuntimeError."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text or "out of memory" in text


def positions_at_once(run: Run, recomputes: bool, whole: bool) -> int | None:
    """How many positions a micro-batch has at the most where the recipe does not say how many rows."""
    fitting = positions_that_fit(run, recomputes)
    return fitting if fitting is None or whole else min(fitting, ENOUGH)


def positions_that_fit(run: Run, recomputes: bool = False) -> int | None:
    """How many positions a micro-batch may have so that activations take at most half of the memory of a CPU.

    Where layers compute them again, each keeps what it is given, and one at a time all of its own.

    A CPU has no error to recover from, the system ends the process; a GPU has, and needs no estimate. All memory counts, not what is
    free just now: the same recipe must split its steps in the same way each time.
    """
    if run.device.type != "cpu":
        return None
    layers = max(param.layers for param in run.params.values())
    memory = psutil.virtual_memory().total / distributed.world()
    kept = KEPT_BYTES * layers + ACTIVATION_BYTES if recomputes else ACTIVATION_BYTES * layers
    return max(512, int(memory / 2 / (kept * width(run.model))))


def width(model: nn.Module) -> int:
    """The values of a hidden state, or a guess where the model does not say it."""
    config = getattr(model, "config", None)
    return getattr(config, "hidden_size", None) or getattr(config, "d_model", None) or 1024
