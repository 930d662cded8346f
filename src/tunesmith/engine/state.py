"""The state of a run: how it starts, what a checkpoint holds of it, and how weights are put back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunesmith.core.clock import Clock
from tunesmith.core.forward import Forward
from tunesmith.core.observer import Observer
from tunesmith.core.run import Run, seed_of
from tunesmith.core.strategy import Strategy
from tunesmith.core.task import Task
from tunesmith.data.batches import Source
from tunesmith.data.encode import Encoded
from tunesmith.engine.cancelled import cancelled
from tunesmith.engine.compiled import Compiled
from tunesmith.engine.halved import halve, whole
from tunesmith.engine.micro import MicroBatches
from tunesmith.engine.optimizer import Optimizer
from tunesmith.engine.precision import choose, device, has_bfloat16
from tunesmith.engine.settings import Training
from tunesmith.engine.shard import Root, shared_out, wanted
from tunesmith.engine.stack import Stack
from tunesmith.engine.trunk import Trunk, TrunkForward
from tunesmith.model.attention import use_plain_attention
from tunesmith.model.backbone import describe
from tunesmith.model.build import Model
from tunesmith.model.dropout import replace_dropout
from tunesmith.model.embedding import Embedding, learn_rows
from tunesmith.model.kernels import use_kernels
from tunesmith.samples.fetch import cache


@dataclass(frozen=True)
class Parts:
    """What the loop works with."""

    run: Run
    stack: Stack
    optimizer: Optimizer
    source: Source
    micro: MicroBatches
    trunk: Trunk
    root: Root
    compiled: Compiled


def assemble(
    model: Model, task: Task, train: Encoded, strategies: Sequence[Strategy], training: Training, watch: Sequence[Observer]
) -> Parts:
    """Compose the strategies around the model, and make everything that the loop needs, in the order in which they need each other."""
    stack = Stack(strategies, task)
    run = start(model, task, len(train), training, watch, stack)
    run.train = train
    task.start(run)
    if training.precision == "bfloat16" and not has_bfloat16(run.device):
        run.say(f"precision: this {run.device.type} has no instructions for bfloat16, so that float32 would be faster: write auto")
    root = Root(run.model)
    if wanted(training, run, stack):
        root.share_out(run)
    else:
        if not stack.problems and (held := halve(run.model, stack.learning(run), run.forward.dtype)):
            run.say(f"{held:,} weights that never learn are held in bfloat16 meanwhile, which loses nothing of them")
        run.model.to(run.device)
    if stack.perturbs and task.unpack():
        run.say("pack: each text has a row of the batch of its own, since a strategy changes what a row holds")
    if chosen := use_kernels(run.model, run.device, run.forward.dtype, task.packed):
        run.say(f"kernels of {' and '.join(chosen)} are used")
    if run.device.type == "cpu" and not run.forward.sharded and not stack.all_tokens and not stack.problems:
        learn_rows(run.model, stack.learning(run), used_tokens(train, model.tokenizer))
    stack.begin(run)
    root.within(lambda: task.begin(run))
    optimizer = Optimizer(run, training, stack.learning(run), stack.natural_rate)
    optimizer.follow(stack.plan(run))
    if "the learning rate over time" in stack.owns and training.schedule != "constant":
        run.say(f"an average takes the place of a schedule, and {training.schedule} lowers the rate too: write training.schedule: constant")
    if idle := stack.idle(run):
        run.say(f"nothing learns in {idle:.0%} of the steps: what one strategy lets learn then, another freezes")
    if warning := cancelled(stack, run):
        run.say(warning)
    source = Source(train, training.batch_size, training.seed)
    keeps = training.trunk != "off" and not run.forward.sharded  # ranks would not compute the same layers
    trunk = Trunk(run, stack, train, model.tokenizer, cache() / "trunk" if keeps else None, always=training.trunk == "always")
    if not run.forward.sharded:
        run.forward = TrunkForward(run.model, run.device, run.forward.dtype, trunk)
    micro = MicroBatches(task, model.tokenizer, training, run, whole=stack.compares)
    parts = Parts(run, stack, optimizer, source, micro, trunk, root, Compiled(run, training.compile))
    connect(parts, watch)
    return parts


def start(model: Model, task: Task, rows: int, training: Training, watch: Sequence[Observer], stack: Stack) -> Run:
    """Adapt the model and make the run around it: device, precision, clock, and the table of parameters."""
    before = {name for name, _ in model.module.named_parameters()}
    torch.manual_seed(seed_of(training.seed, "adapt"))
    model.module = stack.adapt(model.module)
    where = device()
    dtype = choose(training.precision, where)
    module = model.module.train()
    if where.type == "cpu":
        replace_dropout(module)
        use_plain_attention(module)

    def say(message: str) -> None:
        for observer in watch:
            observer.say(message)

    steps_per_epoch = math.ceil(rows / training.batch_size)
    total = training.steps or max(1, round(training.epochs * steps_per_epoch))
    clock = Clock(0, total, steps_per_epoch)
    fixed = frozenset(name for name, parameter in module.named_parameters() if not parameter.requires_grad)
    forward = Forward(module, where, dtype)
    params = describe(module, before, model.fresh)
    return Run(module, task, forward, clock, where, training.seed, say, params=params, tokenizer=model.tokenizer, fixed=fixed)


def used_tokens(train: Encoded, tokenizer: Any) -> Tensor:
    """The tokens that the training rows hold, and those that have a meaning of their own: (tokens,) int64, in order."""
    special = getattr(getattr(tokenizer, "tokenizer", tokenizer), "all_special_ids", [])
    return torch.from_numpy(np.union1d(train.tokens(), np.array(special, np.int64)))


def connect(parts: Parts, watch: Sequence[Observer]) -> None:
    """Give the run its ``snapshot`` and ``restore``: all or nothing, weights, optimizer, memories, clock and data position."""
    run, stack, optimizer = parts.run, parts.stack, parts.optimizer

    def snapshot() -> dict[str, Any]:
        return {
            "model": weights(run),
            "optimizer": optimizer.state(),
            "memory": {"strategies": stack.memory(), "observers": {name: observer.memory() for name, observer in by_name(watch)}},
            "run": {
                "clock": {"step": run.clock.step, "samples": run.clock.samples, "tokens": run.clock.tokens},
                "source": parts.source.position,
                "micro": parts.micro.state(),
                "touched": sorted(run.touched),
                "evaluations": run.evaluations,
                "trunk": parts.trunk.state(),
                "compiled": parts.compiled.on,
                "loss": run.loss,
                "stop": run.stop,
            },
        }

    def restore(state: dict[str, Any]) -> None:
        if run.forward.sharded:
            state = shared_out(state, optimizer.parameters, run.device)
        load_weights(run, state["model"])
        optimizer.load(state["optimizer"])
        stack.recall(state["memory"]["strategies"])
        for name, observer in by_name(watch):
            observer.recall(state["memory"]["observers"].get(name, {}))
        own = state["run"]
        run.clock = Clock(total=run.clock.total, steps_per_epoch=run.clock.steps_per_epoch, **own["clock"])
        parts.source.position = own["source"]
        parts.micro.load(own["micro"])
        parts.trunk.load(own["trunk"])
        parts.compiled.on = own["compiled"]
        run.touched.update(own["touched"])
        run.evaluations[:] = own["evaluations"]
        run.loss, run.stop = own["loss"], own["stop"]
        optimizer.follow(stack.plan(run))

    run.snapshot, run.restore = snapshot, restore


def by_name(watch: Sequence[Observer]) -> list[tuple[str, Observer]]:
    """Observers with the names of their classes, numbered: who resumes a run may watch it with others than who began it."""
    names = [type(observer).__qualname__ for observer in watch]
    return [(f"{name} {names[:place].count(name)}", watch[place]) for place, name in enumerate(names)]


def weights(run: Run) -> dict[str, dict[str, Tensor]]:
    """Every parameter that learned at any time, and the buffers. What never learned is in the pre-trained model already."""
    learned = {name: parameter.detach() for name, parameter in run.model.named_parameters() if name in run.touched}
    return {"weights": learned, "buffers": dict(run.model.named_buffers())}


def finished_weights(run: Run, stack: Stack) -> dict[str, dict[str, Tensor]]:
    """A copy of the weights as they are judged and shipped."""
    with stack.finished(run):
        return {kind: {name: tensor.clone() for name, tensor in named.items()} for kind, named in weights(run).items()}


@torch.no_grad()
def load_weights(run: Run, state: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Copy parameters and buffers by name into the model."""
    for kind, named in (("weights", dict(run.model.named_parameters())), ("buffers", dict(run.model.named_buffers()))):
        for name, tensor in state[kind].items():
            owner = run.model.get_submodule(name.rpartition(".")[0])
            if tensor.shape != named[name].shape and isinstance(owner, Embedding):  # the run is over, and the table whole again
                named[name][owner.used] = tensor
            else:
                named[name].copy_(tensor)


def make_whole(parts: Parts, model: Model) -> None:
    """End what is for training alone: the model has its own shape and code again, and is whole."""
    parts.compiled.end()
    model.module = parts.root.whole(parts.run)
    whole(model.module)
    for part in model.module.modules():
        if isinstance(part, Embedding):
            part.whole()
