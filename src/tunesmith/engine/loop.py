"""The training loop: ``fit`` and ``backward``. Everything that trains in tunesmith trains here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.observer import Observer, Record, end_all
from tunesmith.core.run import Run, seed_of
from tunesmith.core.strategy import Rows, Strategy
from tunesmith.core.task import Task
from tunesmith.data.encode import Encoded
from tunesmith.engine import distributed
from tunesmith.engine.evaluation import Score, evaluate
from tunesmith.engine.settings import Training
from tunesmith.engine.state import Parts, assemble, finished_weights, load_weights, make_whole
from tunesmith.model.build import Model
from tunesmith.model.chance import seed_all


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
    parts = assemble(model, task, train, strategies, training, watch)
    run, reason, begun = parts.run, "", list[Observer]()
    try:
        for observer in reversed(watch):
            begun.insert(0, observer)
            observer.begin(run)
        rows_of_step = parts.stack.feed(parts.source, run)
        reason = next((observer.ended for observer in watch if observer.ended), ending(run))
        while not reason:
            done = take_step(next(rows_of_step), parts)
            scores = evaluate(parts, score, watch) if score and run.clock.due(training.evaluate_every) else None
            record = replace(done, scores=scores, save=run.clock.due(training.save_every or training.evaluate_every))
            reason = ([text for observer in watch if (text := observer.step(run, record))] or [ending(run)])[0]
        load_weights(run, finished_weights(run, parts.stack))
        make_whole(parts, model)
    except BaseException:
        end_all(begun, run, reason or "failed", raises=False)
        raise
    end_all(begun, run, reason)
    return Fitted(model, run, reason)


def ending(run: Run) -> str:
    """Why no further step follows; empty where one does."""
    return run.stop or ("all steps done" if run.clock.finished else "")


def take_step(rows: Rows, parts: Parts) -> Record:
    """One optimizer step: plan, forward and backward, update; the clock moves on."""
    begun = time.perf_counter()
    run, stack, optimizer = parts.run, parts.stack, parts.optimizer
    optimizer.follow(stack.plan(run))
    parts.trunk.follow()
    parts.compiled.follow()
    batches, loss = parts.micro.compute(rows, lambda batches: stack.gradient(batches, run, partial(backward, parts=parts)))
    stack.step(run, optimizer.step)
    tokens, positions = (int(distributed.total(sum(getattr(b, size) for b in batches))) for size in ("tokens", "positions"))
    run.clock, run.micro, run.loss = run.clock.tick(len(rows), tokens), 0, float(loss.mean)  # the next rows are drawn as after a resume
    return Record(
        step=run.clock.step,
        epoch=run.clock.epoch,
        loss=run.loss,
        rate=optimizer.rate,
        rows=len(rows),
        tokens=tokens,
        padding=1 - tokens / max(1, positions),
        seconds=time.perf_counter() - begun,
        parts={name: float(part) / (loss.count or 1.0) for name, part in loss.parts.items()},
    )


def backward(batches: Sequence[Batch], parts: Parts) -> Loss:
    """Forward and backward over the micro-batches of one step: leaves the mean gradient over all ranks in ``.grad``.

    The loss of every micro-batch is a sum; sums and counts are added over micro-batches and ranks and divided once. Random numbers
    are seeded by (seed, step, micro-batch), so that neither a resume nor the number of ranks changes them.
    """
    run, optimizer = parts.run, parts.optimizer
    optimizer.zero()
    learns = bool(run.learning())  # not in a phase in which strategies leave each other nothing to learn
    total = Loss(torch.zeros((), device=run.device), 0.0)
    for index, batch in enumerate(batches):
        run.micro = index * distributed.world() + distributed.rank() if batch.micro is None else batch.micro
        seed_all(seed_of(run.seed, "step", run.clock.step, run.micro))
        loss = parts.root.within(partial(parts.stack.loss, batch, run))
        loss = Loss(loss.sum * 0.0, 0.0) if batch.idle else loss
        if learns:
            optimizer.scaled(loss, len(batches)).backward()  # type: ignore[no-untyped-call]
        named = {name: part + total.parts.get(name, 0.0) for name, part in loss.parts.items()}
        total = Loss(total.sum + loss.sum.detach(), total.count + loss.count, parts={**total.parts, **named})
    return optimizer.reduce(total, len(batches))
