"""Rows for people: which ones without labels to label next, and which labels to look at again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.label_task import LabelTask
from tunesmith.core.task import Prediction
from tunesmith.data.batches import length_batches
from tunesmith.data.encode import encode
from tunesmith.data.examples import Examples
from tunesmith.evaluate.score import TOKENS
from tunesmith.metrics.selection import BY, several, spread
from tunesmith.model.embed import embed
from tunesmith.tuned import Tuned

Numbers = npt.NDArray[np.float64]
DIVERSE, SUSPECT = "diversity", "label_error"
WAYS = (*BY, DIVERSE, SUSPECT)


def select(tuned: Tuned, rows: Any, by: str, num: int) -> list[dict[str, Any]]:
    """The ``num`` rows that are most worth a look, the first the most: ``row`` (from 0), ``score``, and its values by role.

    ``by``  uncertainty, margin or entropy: the least sure predictions; diversity: rows whose mean hidden states lie far apart;
    label_error: labels that the model finds unlikeliest, of rows that it was not trained on.

    Raises ``InputError`` for rows that cannot be read, and for a task whose predictions have no probabilities.
    """
    if by not in WAYS:
        raise InputError(Problem(f"there is no way '{by}' to select", f"Take one of {', '.join(WAYS)}"))
    examples = tuned.examples(rows, truth=by == SUSPECT)
    if by == DIVERSE:
        chosen, scores = spread(features(tuned, examples), num)
    else:
        found = np.asarray(unlikely(tuned, examples) if by == SUSPECT else unsure(tuned, examples, BY[by]))
        chosen = np.argsort(-found, kind="stable")[:num].tolist()
        scores = [float(found[row]) for row in chosen]
    return [{"row": row, "score": score, **examples.raw(row)} for row, score in zip(chosen, scores, strict=True)]


def unsure(tuned: Tuned, examples: Examples, way: Callable[[Numbers], Numbers]) -> Numbers:
    """How unsure the model is of each row: (rows,)."""
    task, table = probabilities(tuned, tuned.predictions(examples, tuned.forward()))
    return way(several(table) if task.kind == "multi" else table)


def unlikely(tuned: Tuned, examples: Examples) -> Numbers:
    """How unlikely the model finds the label of each row, (rows,): of several labels the one that fits least."""
    task, table = probabilities(tuned, tuned.predictions(examples, tuned.forward()))
    if task.kind == "multi":
        truth = task.targets(list(examples)).numpy()
        return np.asarray(np.abs(truth - table).max(axis=1))
    labels = np.array([row["label"] for row in examples])
    return np.asarray(1 - table[np.arange(len(labels)), labels])


def probabilities(tuned: Tuned, predictions: list[Prediction]) -> tuple[LabelTask, Numbers]:
    """The task and its probabilities, (rows, labels). Raises ``InputError`` where it has none."""
    task = tuned.task
    if not isinstance(task, LabelTask) or task.kind == "regression":
        raise InputError(Problem("the predictions of this task have no probabilities of labels", "Select by diversity"))
    return task, task.table(predictions).numpy()


def features(tuned: Tuned, examples: Examples) -> Numbers:
    """The mean hidden states of rows, (rows, hidden); of a row in several parts, those of the first."""
    rows = encode(examples, tuned.task, tuned.model.tokenizer)
    forward = tuned.forward()
    found: dict[int, Numbers] = {}
    with forward.precision():
        for items in length_batches(rows.lengths, TOKENS):
            batch = tuned.task.collate([rows[item] for item in items.tolist()], tuned.model.tokenizer).to(forward.device)
            for row, vector in zip(batch.rows.tolist(), embed(forward.module, batch.inputs).double().cpu().numpy(), strict=True):
                found.setdefault(row, vector)
    return np.stack([found[row] for row in range(len(examples))])
