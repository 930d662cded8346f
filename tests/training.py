"""A tiny run of the real engine, for every test that trains: one call, a second at most."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor

import tiny
from tunesmith.core.clock import Span
from tunesmith.core.forward import Forward
from tunesmith.core.mixture import APART, MEAN, PLACE, Member, Mixture, mean_of_tasks, through
from tunesmith.core.observer import Observer
from tunesmith.core.strategy import Strategy
from tunesmith.core.task import Row, Task
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.mixing import MixedRows, Mixing
from tunesmith.engine.checkpoint import Checkpoints
from tunesmith.engine.events import EventLog
from tunesmith.engine.loop import Fitted, fit
from tunesmith.engine.of_task import OfTask
from tunesmith.engine.settings import Training
from tunesmith.evaluate.score import scorer
from tunesmith.model.build import Model, build_for
from tunesmith.model.shared import share
from tunesmith.tasks.chat import Chat
from tunesmith.tasks.image_classification import ImageClassification
from tunesmith.tasks.text_classification import TextClassification
from tunesmith.tasks.token_classification import TokenClassification

TRAINING = Training(
    steps=6,
    batch_size=4,
    learning_rate=1e-2,
    precision="float32",
    evaluate_every=Span(3, "st"),
    save_every=Span(2, "st"),
    keep=9,
    log_every=1,
)
SGD: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.1}  # Adam would blow up differences in the last bit of small gradients


def ragged() -> tuple[Task, list[Row]]:
    """Rows of very different lengths: means of means would be wrong."""
    texts = ["a", "a good film", "what a great day for a very good film", "bad", "a poor film", "a day"]
    labels = ["good", "good", "good", "bad", "bad", "bad"]
    return TextClassification(max_length=16), [{"text": t, "label": y} for t, y in zip(texts, labels, strict=True)]


def learned(task: Task, rows: Sequence[Row]) -> list[Row]:
    """Rows as the task reads them, once it has learned from them."""
    task.learn(rows)
    return [task.read(row) for row in rows]


def encoded(task: Task, rows: Sequence[Row]) -> Encoded:
    return encode(learned(task, rows), task, tiny.tokenizer())


def tiny_fit(
    folder: Path | None,
    parts: Sequence[Strategy | Observer] = (),
    make_task: Callable[[], tuple[Task, list[Row]]] | None = None,
    **changes: Any,
) -> Fitted:
    """Train a tiny model with strategies and observers, checkpoints and events going to ``folder``.

    A folder that holds checkpoints is resumed. The model is the same at each call, every other row is of another
    group. Strategies that need several tasks or images get them.
    """
    for capability in fitting(parts) if make_task is None else ():
        return FITS[capability](folder, parts, **changes)
    task, rows = (make_task or TextClassification.example)()
    examples = learned(task, rows)
    data = encode(examples, task, tiny.tokenizer())
    data.mark("group", np.arange(len(examples)) % 2)
    module = tiny.bert(num_labels=2)
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = changes.get("dropout", 0.1)
    changes.pop("dropout", None)
    model = Model(module, tiny.tokenizer(), None, "", changes.pop("fresh", ()))  # type: ignore[arg-type]
    strategies = [part for part in parts if isinstance(part, Strategy)]
    score = scorer(task, examples, data, tiny.tokenizer())
    return fit(model, task, data, strategies, replace(TRAINING, **changes), score, watching(folder, parts))


def fitting(parts: Sequence[Any]) -> list[str]:
    """What strategies need that texts with labels do not offer."""
    return sorted({capability for part in parts for capability in getattr(part, "needs", ()) if capability in FITS})


def watching(folder: Path | None, parts: Sequence[Strategy | Observer]) -> list[Observer]:
    """The observers of a run: those among its parts, and in a folder its log and its checkpoints."""
    kept = [EventLog(folder / "events.jsonl", 1), Checkpoints(folder / "checkpoints", keep=9)] if folder is not None else []
    return [*(part for part in parts if isinstance(part, Observer)), *kept]


def mixture(
    weights: Sequence[float] = (1.0, 1.0), order: Sequence[str] = ("texts", "tags")
) -> tuple[Model, Mixture, Encoded, dict[str, list[Row]]]:
    """Two tasks on one tiny trunk, labels of texts and tags of tokens: the model, the tasks, their items, and their examples."""
    texts, tagged = TextClassification.example(), TokenClassification.example()
    all_kinds: dict[str, tuple[Task, list[Row]]] = {"texts": texts, "tags": tagged}
    kinds = {name: all_kinds[name] for name in order}
    examples = {name: learned(task, rows) for name, (task, rows) in kinds.items()}
    items = {name: encode(examples[name], task, tiny.tokenizer()) for name, (task, _) in kinds.items()}
    torch.manual_seed(1)
    tagger = transformers.BertForTokenClassification(tiny.configs["bert"](num_labels=7))
    models = {"texts": tiny.bert(num_labels=2), "tags": tagger}
    module = share({name: models[name] for name in order}).train()
    worth = {"texts": 1.0, "tags": 7.0}
    members = {
        name: Member(task, tiny.tokenizer(), len(items[name]), weight, worth[name])
        for weight, (name, (task, _)) in zip(weights, kinds.items(), strict=False)
    }
    model = Model(module, tiny.tokenizer(), None, "", ())  # type: ignore[arg-type]
    return model, Mixture(members), Encoded.join(items, PLACE), examples


def mixed_fit(
    folder: Path | None,
    parts: Sequence[Strategy | Observer] = (),
    own: Mapping[str, Sequence[Strategy]] = MappingProxyType({}),
    **changes: Any,
) -> Fitted:
    """``tiny_fit`` for two tasks, whose rows are drawn equally; ``own`` are strategies of one task alone, by its name: the last one."""
    order = sorted(("texts", "tags"), key=lambda name: name in own)
    model, task, data, examples = mixture(changes.pop("weights", (1.0, 1.0)), order)
    for part in model.module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = changes.get("dropout", 0.1)
    changes.pop("dropout", None)
    scores = {
        name: scorer(member.task, examples[name], encode(examples[name], member.task, tiny.tokenizer()), tiny.tokenizer())
        for name, member in task.members.items()
    }
    tasks = {name: member.task for name, member in task.members.items()}

    def score(forward: Forward) -> dict[str, Any]:
        return {MEAN: mean_of_tasks({name: one(through(name, forward))[tasks[name].primary] for name, one in scores.items()}, tasks)}

    training = replace(TRAINING, **changes)
    strategies = [part for part in parts if isinstance(part, Strategy)]
    strategies += [of_task(name, task, examples, strategies_of) for name, strategies_of in own.items()]
    strategies.append(MixedRows(Mixing(by="equal"), training.batch_size))
    return fit(model, task, data, strategies, training, score, watching(folder, parts))


def of_task(name: str, task: Mixture, examples: dict[str, list[Row]], strategies: Sequence[Strategy]) -> OfTask:
    """Strategies of one task of ``mixture``, whose every other row is of another group, as in ``tiny_fit``."""
    member = task.members[name]
    rows = encode(examples[name], member.task, tiny.tokenizer())
    rows.mark("group", np.arange(len(examples[name])) % 2)
    return OfTask(name, list(task.members).index(name), strategies, member, rows)


def image_fit(folder: Path | None, parts: Sequence[Strategy | Observer] = (), **changes: Any) -> Fitted:
    """``tiny_fit`` for pictures with labels."""
    task, rows = ImageClassification.example()
    examples = learned(task, rows)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        model = build_for(task, str(tiny.folder(Path(scratch), "vit")))
    data = encode(examples, task, model.tokenizer)
    score = scorer(task, examples, data, model.tokenizer)
    strategies = [part for part in parts if isinstance(part, Strategy)]
    return fit(model, task, data, strategies, replace(TRAINING, **changes), score, watching(folder, parts))


def writing_fit(folder: Path | None, parts: Sequence[Strategy | Observer] = (), **changes: Any) -> Fitted:
    """``tiny_fit`` for conversations, which a decoder learns to go on with."""
    task, rows = Chat.example()
    examples = learned(task, rows)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        model = build_for(task, str(tiny.folder(Path(scratch), "llama")))
    data = encode(examples, task, model.tokenizer)
    score = scorer(task, examples, data, model.tokenizer)
    strategies = [part for part in parts if isinstance(part, Strategy)]
    return fit(model, task, data, strategies, replace(TRAINING, **changes), score, watching(folder, parts))


FITS: dict[str, Callable[..., Fitted]] = {APART: mixed_fit, "images": image_fit, "writing": writing_fit}


def sampled(everything: Sequence[Any], number: int) -> list[Any]:
    """Some of many cases, others with each commit, so that all are covered over time; the same ones in each process."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent).stdout
    order = sorted(range(len(everything)), key=lambda case: hashlib.sha256(f"{commit} {case}".encode()).digest())
    return [everything[case] for case in sorted(order[:number])]


def weights(fitted: Fitted) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in fitted.model.module.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two models are equal to the last bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[name].numpy(), other[name].numpy()) for name in one)
