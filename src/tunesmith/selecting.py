"""Rows for people: which ones without labels to label next, which labels to look at again, and which rows to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.auditing import trained_on
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.label_task import LabelTask
from tunesmith.core.task import Head, Prediction
from tunesmith.core.words import Say
from tunesmith.data.encode import encode
from tunesmith.data.examples import Examples, duplicate_keys, read_roles
from tunesmith.data.split import digests
from tunesmith.evaluate.baselines import Plain, linear_probe
from tunesmith.evaluate.vectors import vectors
from tunesmith.metrics.label_errors import suspected
from tunesmith.metrics.selection import BY, several, spread
from tunesmith.model.agreement import agreement
from tunesmith.model.build import build_for
from tunesmith.model.files import CONFIG, read_json
from tunesmith.model.processor import Processor
from tunesmith.model.sources import resolve
from tunesmith.recipes.recipe import read_recipe
from tunesmith.tasks.text_classification import TextClassification
from tunesmith.tuned import TOLD, Tuned, is_model, load

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
DIVERSE, SUSPECT, GRADIENT, PERPLEXITY = "diversity", "label_error", "gradient", "perplexity"
WAYS = (*BY, DIVERSE, SUSPECT, GRADIENT, PERPLEXITY)
MOST = 700.0  # a mean loss whose exponential is a number
FOLDS = 5  # parts of the rows, each of which is judged by the others, where the model has no head
RECIPES = (".yaml", ".yml")


@dataclass
class Bare(TextClassification):
    """Texts whose vectors are asked of a model without a head."""

    def head(self) -> Head:
        return Head("AutoModel", {})

    def meet(self, module: Any, tokenizer: Any) -> None:
        if isinstance(tokenizer, Processor):
            raise InputError(Problem(f"{module.config.model_type} models read no texts alone", "Name a run, or a model of texts"))


@dataclass(frozen=True)
class Way:
    """How rows are selected.

    ``by``      uncertainty, margin or entropy: the least sure predictions; diversity: rows whose mean hidden states lie far apart;
                label_error: labels that are likely wrong, with the ``likely`` one where confident learning finds it; gradient: rows the
                gradient of whose loss agrees with that of the ``target``; perplexity: rows that a language model foresees best, so that
                one of a domain finds texts like its own (Wenzek et al. 2020, "CCNet", section 3.4)
    ``num``     how many rows
    ``folds``   label_error: into how many parts the rows are put, each judged by a logistic regression that the vectors of the others
                taught; 0 asks the model's own head. Where there is none, 5
    ``target``  gradient: rows with the truth, of the kind that the model is to be right on

    Raises ``InputError`` for what does not go together.
    """

    by: str = "uncertainty"
    num: int = 20
    folds: int | None = None
    target: Any = None

    def __post_init__(self) -> None:
        if self.by not in WAYS:
            raise InputError(Problem(f"there is no way '{self.by}' to select", f"Take one of {', '.join(WAYS)}"))
        for option, given, way in (("folds", self.folds, SUSPECT), ("target", self.target, GRADIENT)):
            if given and self.by != way:
                raise InputError(Problem(f"--{option} is not read where rows are selected by {self.by}", "Take it out"))
        if self.by == GRADIENT and not self.target:
            raise InputError(Problem("nothing says what the rows are to help with", "Name rows of it with their truth: --target FILE"))


def select(which: str | Path, rows: Any, way: Way, runs: str | Path = "runs", say: Say | None = None) -> list[dict[str, Any]]:
    """The rows that are most worth a look, the first the most: ``row`` (from 0), ``score``, and its values by role.

    ``which`` is a run or a tuned model; for diversity and label_error any model of texts, or a recipe, whose model is asked untuned; for
    perplexity any language model. ``say`` is told what was found. Raises ``InputError`` for rows that cannot be read, and for a task
    whose predictions have no probabilities, where these are asked for.
    """
    by, num, folds = way.by, way.num, way.folds
    tell = say or (lambda line: None)
    tuned = _bare(which, runs, by, folds) or load(which, runs)
    folds = FOLDS if folds is None and isinstance(tuned.task, Bare) else folds
    if by == SUSPECT and isinstance(tuned.task, Bare):
        tuned.task.learn(read_roles(rows, tuned.task, tuned.columns)[0])
    examples = tuned.examples(rows, truth=by in (SUSPECT, GRADIENT, PERPLEXITY))
    if by == GRADIENT:
        return _best(examples, helpful(tuned, examples, tuned.examples(way.target, truth=True)), num)
    if by == DIVERSE:
        chosen, scores = spread(features(tuned, examples), num)
        return _chosen(examples, chosen, scores)
    if by == SUSPECT:
        if not isinstance(tuned.task, Bare) and (seen := trained_on(which, runs, examples)):
            remedy = "it may have learned wrong labels too. Name its base instead, and each row is judged by what the others taught"
            tell(f"THE MODEL WAS TRAINED ON {seen:,} OF THESE {len(examples):,} ROWS: {remedy}.")
        return _suspects(tuned, examples, num, folds or 0, tell)
    if by == PERPLEXITY:
        found = perplexities(tuned, examples)
        order = np.argsort(found, kind="stable")[:num].tolist()
        return _chosen(examples, order, found[order].tolist())
    return _best(examples, unsure(tuned, examples, by), num)


def _bare(which: str | Path, runs: str | Path, by: str, folds: int | None) -> Tuned | None:
    """A model, or that of a recipe, without a head; None where it has to answer, and for runs and what was exported from one."""
    if Path(which).suffix in RECIPES and Path(which).is_file():
        recipe = read_recipe(which, ["strategies=[]"])
        if by not in (DIVERSE, SUSPECT) or not isinstance(recipe.task, TextClassification):
            remedy = "Train it, and name the run"
            raise InputError(Problem("a recipe is asked for diversity or label_error of text_classification alone", remedy, str(which)))
        task = Bare(**recipe.task.settings())
        return Tuned(build_for(task, recipe.model_spec), task, recipe.data.columns, recipe.data.labels)
    if by == PERPLEXITY and is_model(str(which), Path(runs)):
        return _language_model(str(which))
    if by not in (DIVERSE, SUSPECT) or not is_model(str(which), Path(runs)):
        return None
    source = resolve(str(which))
    answers = not source.gguf and "ForSequenceClassification" in " ".join(read_json(source.path / CONFIG).get("architectures") or ())
    if ((source.adapter or source.path) / TOLD).exists() or (by == SUSPECT and answers and not folds):
        return None
    task = Bare() if by == SUSPECT else Bare(kind="single")
    return Tuned(build_for(task, str(which)), task, {}, {})


def _language_model(which: str) -> Tuned | None:
    """A model from anywhere as its own language model; None where its folder tells what it was tuned for."""
    source = resolve(which)
    if ((source.adapter or source.path) / TOLD).exists():
        return None
    masked = not source.gguf and "ForMaskedLM" in " ".join(read_json(source.path / CONFIG).get("architectures") or ())
    return load(which, kind="masked_language_modelling" if masked else "causal_language_modelling")


def _chosen(examples: Examples, rows: list[int], scores: list[float]) -> list[dict[str, Any]]:
    return [{"row": row, "score": score, **examples.raw(row)} for row, score in zip(rows, scores, strict=True)]


def _best(examples: Examples, found: Numbers, num: int) -> list[dict[str, Any]]:
    """The rows with the highest of the scores ``found``."""
    order = np.argsort(-found, kind="stable")[:num].tolist()
    return _chosen(examples, order, found[order].tolist())


def helpful(tuned: Tuned, examples: Examples, target: Examples) -> Numbers:
    """How the gradient of each row's loss agrees with that of the target's, (rows,). Raises ``InputError`` where rows have no loss each."""
    if tuned.task.compares:
        raise InputError(Problem("a row alone has no loss in this task, and no gradient", "Select by diversity"))
    items, wanted = (encode(rows, tuned.task, tuned.model.tokenizer) for rows in (examples, target))
    return np.array(agreement(items, wanted, tuned.task, tuned.forward(), tuned.model.tokenizer))


def perplexities(tuned: Tuned, examples: Examples) -> Numbers:
    """The perplexity of each row, (rows,). Raises ``InputError`` for a task that foresees no tokens."""
    if "perplexity" not in tuned.task.offers:
        raise InputError(Problem("this model foresees no tokens", "Name a language model, or a run that tuned one"))
    losses = tuned.task.correct(tuned.predictions(examples, tuned.forward()), list(examples))
    return np.asarray(np.exp(np.minimum(-np.array(losses), MOST)))


def unsure(tuned: Tuned, examples: Examples, by: str) -> Numbers:
    """How unsure the model is of each row, (rows,): 1 - the mean confidence in its tags or its answer where rows have no label each."""
    predictions = tuned.predictions(examples, tuned.forward())
    if by == "uncertainty" and not isinstance(tuned.task, LabelTask):
        shown = [tuned.task.shown(row, prediction) for row, prediction in zip(examples, predictions, strict=True)]
        if all("confidence" in one for one in shown):
            return 1 - np.array([one["confidence"] for one in shown])
    task, table = probabilities(tuned, predictions)
    return BY[by](several(table) if task.kind == "multi" else table)


def _suspects(tuned: Tuned, examples: Examples, num: int, folds: int, tell: Say) -> list[dict[str, Any]]:
    """The rows whose labels are likely wrong: first where confident learning finds another, then by how unlikely the label is.

    Of several labels the one that fits least counts.
    """
    if folds:
        task, table = label_task(tuned), out_of_fold(tuned, examples, folds)
        tell(f"label_error: each of {folds} parts of the rows is judged by the others, in the vectors of {tuned.model.source.name}")
    else:
        task, table = probabilities(tuned, tuned.predictions(examples, tuned.forward()))
    truths = task.targets([{"label": row["label"]} for row in examples]).numpy()
    if task.kind == "multi":
        return _best(examples, np.abs(truths - table).max(axis=1), num)
    found, likely = 1 - table[np.arange(len(truths)), truths], suspected(table, truths)
    tell(f"label_error: for {(likely >= 0).sum():,} of {len(truths):,} rows another label is likely, mistakes of the judge among them")
    order = np.lexsort((-found, likely < 0))[:num].tolist()
    named = ({"likely": task.labels[likely[row]]} if likely[row] >= 0 else {} for row in order)
    return [one | name for one, name in zip(_chosen(examples, order, found[order].tolist()), named, strict=True)]


def out_of_fold(tuned: Tuned, examples: Examples, folds: int) -> Numbers:
    """The probabilities of labels, (rows, labels), by what the rows of the other folds say: a linear probe of the model's vectors.

    Rows with the same text are in one fold, each label is spread evenly. Raises ``InputError`` for labels that one text alone has.
    """
    task = label_task(tuned)
    if task.kind != "single":
        raise InputError(Problem("--folds is for rows with one label each", "Leave it out, and name a tuned model"))
    labels = np.array([row["label"] for row in examples])
    keys = digests(duplicate_keys(examples.rows, task))
    if alone := [task.labels[label] for label in np.unique(labels) if len(np.unique(keys[labels == label])) < 2]:
        message = f"the labels {', '.join(alone)} have one text each, and no other to judge it by"
        raise InputError(Problem(message, "Give them more, or leave them out"))
    fold, known, texts = folds_of(keys, labels, folds), features(tuned, examples), task.texts(list(examples))
    table = np.zeros((len(labels), len(task.labels)))
    for part in range(folds):
        others, own = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
        if len(own):
            taught = Plain([texts[row] for row in others], labels[others], task.labels)
            table[own] = linear_probe(taught, lambda rows, others=others: known[others[rows]], known[own], rows=len(others))  # type: ignore[misc]
    return table


def folds_of(keys: npt.NDArray[np.uint64], labels: Indices, folds: int) -> Indices:
    """The fold of each row, (rows,): those of the same key in one, those of each label dealt out in the order of their keys."""
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(labels[first], kind="stable")
    dealt = np.empty(len(first), np.int64)
    dealt[order] = np.arange(len(first)) % folds
    return np.asarray(dealt[group])


def probabilities(tuned: Tuned, predictions: list[Prediction]) -> tuple[LabelTask, Numbers]:
    """The task and its probabilities, (rows, labels). Raises ``InputError`` where it has none."""
    task = label_task(tuned)
    return task, task.table(predictions).numpy()


def label_task(tuned: Tuned) -> LabelTask:
    """The task. Raises ``InputError`` where its answers are no labels."""
    if not isinstance(tuned.task, LabelTask) or tuned.task.kind == "regression":
        raise InputError(Problem("the predictions of this task have no probabilities of labels", "Select by diversity"))
    return tuned.task


def features(tuned: Tuned, examples: Examples) -> Numbers:
    """The mean hidden states of rows, (rows, hidden)."""
    rows = encode(examples, tuned.task, tuned.model.tokenizer)
    return vectors(tuned.forward(), rows, tuned.task, tuned.model.tokenizer).astype(np.float64)
