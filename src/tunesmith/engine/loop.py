"""The training loop: ``fit`` and ``backward``. Everything that trains in tunesmith trains here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run, seed_of
from tunesmith.core.strategy import Strategy
from tunesmith.core.task import Forward, Task
from tunesmith.data.batches import Source
from tunesmith.data.encode import Encoded
from tunesmith.engine import distributed
from tunesmith.engine.micro import MicroBatches
from tunesmith.engine.optimizer import Optimizer
from tunesmith.engine.settings import Training
from tunesmith.engine.stack import Stack
from tunesmith.engine.state import connect, finished_weights, load_weights, start
from tunesmith.model.build import Model

Score = Callable[[Forward], dict[str, Any]]


@dataclass(frozen=True)
class Fitted:
    """What ``fit`` returns: the model with the weights that are to be shipped, the run as it ended, and why it ended."""

    model: Model
    run: Run
    reason: str


def fit(
    model: Model,
    task: Task,
    train: Encoded,
    strategies: Sequence[Strategy],
    training: Training,
    score: Score | None,
    watch: Sequence[Observer],
) -> Fitted:
    """Train ``model`` on ``train``, composed as ``strategies`` say, and leave it as it is to be shipped.

    ``score`` is asked for the validation scores whenever ``training.evaluate_every`` is due. Observers see every step; the first text
    that one returns ends the run. Raises ``DivergedError`` when a loss is not finite, ``InputError`` when strategies cannot be composed.
    """
    stack = Stack(strategies, task)
    run = start(model, task, len(train), training, watch, stack)
    stack.begin(run)
    optimizer = Optimizer(run, training, stack.plan(run))
    source = Source(train, training.batch_size, training.seed)
    micro = MicroBatches(task, model.tokenizer, training, run)
    connect(run, stack, optimizer, source, micro, watch)
    for observer in reversed(watch):
        observer.begin(run)
    inner = partial(backward, run=run, stack=stack, optimizer=optimizer)
    gradient = partial(stack.gradient, run=run, inner=inner)
    rows_of_step = stack.feed(source, run)
    reason = "" if not run.clock.finished else "the run was finished already"
    try:
        while not reason:
            begun = time.perf_counter()
            rows = next(rows_of_step)
            optimizer.follow(stack.plan(run))
            batches, loss = micro.compute(rows, gradient)
            stack.step(run, optimizer.step)
            tokens, positions = (int(distributed.total(sum(getattr(b, size) for b in batches))) for size in ("tokens", "positions"))
            run.clock = run.clock.tick(len(rows), tokens)
            run.loss = float(loss.mean)
            seconds = time.perf_counter() - begun
            record = Record(
                step=run.clock.step,
                epoch=run.clock.epoch,
                loss=run.loss,
                rate=optimizer.rate,
                rows=len(rows),
                tokens=tokens,
                padding=1 - tokens / max(1, positions),
                seconds=seconds,
                parts={name: float(part) / loss.count for name, part in loss.parts.items()},
                scores=evaluate(run, stack, score, watch) if score and run.clock.due(training.evaluate_every) else None,
                save=run.clock.due(training.save_every or training.evaluate_every),
            )
            reasons = [text for observer in watch if (text := observer.step(run, record))]
            reason = (reasons or ["all steps done" if run.clock.finished else ""])[0]
        load_weights(run, finished_weights(run, stack))
    finally:
        for observer in watch:
            observer.end(run, reason or "failed")
    return Fitted(model, run, reason)


def backward(batches: Sequence[Batch], run: Run, stack: Stack, optimizer: Optimizer) -> Loss:
    """Forward and backward over the micro-batches of one step: leaves the mean gradient over all ranks in ``.grad``.

    The loss of every micro-batch is a sum; sums and counts are added over micro-batches and ranks and divided once. Random numbers
    are seeded by (seed, step, micro-batch), so that neither a resume nor the number of ranks changes them.
    """
    optimizer.zero()
    total = Loss(torch.zeros((), device=run.device), 0.0)
    for index, batch in enumerate(batches):
        run.micro = index * distributed.world() + distributed.rank()
        torch.manual_seed(seed_of(run.seed, "step", run.clock.step, run.micro))
        loss = stack.loss(batch, run)
        optimizer.scaled(loss.sum).backward()  # type: ignore[no-untyped-call]
        parts = {name: part + total.parts.get(name, 0.0) for name, part in loss.parts.items()}
        total = Loss(total.sum + loss.sum.detach(), total.count + loss.count, parts=parts)
    return optimizer.reduce(total)


def evaluate(run: Run, stack: Stack, score: Score, watch: Sequence[Observer]) -> dict[str, Any]:
    """The scores of the model as it would be shipped now."""
    with stack.finished(run):
        run.model.eval()
        scores = {"step": run.clock.step, **score(run.forward)}
        run.evaluations.append(scores)
        for observer in watch:
            observer.evaluated(run, scores)
        run.model.train()
    return scores
