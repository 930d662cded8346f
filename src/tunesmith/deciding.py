"""``strategies: auto``: a recipe whose choices are open becomes one in which they are made, from its data and its model alone."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.mixture import SEVERAL
from tunesmith.core.task import Task
from tunesmith.core.words import Say
from tunesmith.data.examples import truths
from tunesmith.data.load import Data
from tunesmith.data.sentence_folder import pooling_of
from tunesmith.data.split import labels_of
from tunesmith.engine.precision import FORMATS
from tunesmith.engine.schedule import BY_EVALUATIONS
from tunesmith.model.backbone import describe
from tunesmith.model.build import Model
from tunesmith.model.mean_layer import can_end_in_mean
from tunesmith.model.sources import compares_sentences
from tunesmith.recipes.advise import Advice, Situation, advise_within
from tunesmith.recipes.cost import Work
from tunesmith.recipes.find import name_of
from tunesmith.recipes.limits import bytes_of
from tunesmith.recipes.recipe import Recipe, recipe_from

SAMPLED = 500  # rows whose tokens are counted, spread over the training data
WITH_HEAD = {  # classes of transformers whose head can learn alone
    *("AutoModelForSequenceClassification", "AutoModelForTokenClassification", "AutoModelForQuestionAnswering"),
    *("AutoModelForMultipleChoice", "AutoModelForImageClassification", "AutoModelForAudioClassification"),
}
WRITING = {"AutoModelForCausalLM", "AutoModelForSeq2SeqLM", "AutoModelForSpeechSeq2Seq"}  # that compare each position with a vocabulary


def settled(recipe: Recipe, data: Data, model: Model, say: Say) -> Recipe:
    """The recipe with strategies, rate and length chosen, where it leaves them open; every decision is said with its reason.

    A pure function of recipe, data and model: neither the clock nor the machine is asked, so that a resumed run decides the same. Raises
    ``InputError`` for what decides by evaluations, where there are no validation rows.
    """
    check_watch(recipe, recipe.task)
    if recipe.auto is None:
        check_judged(recipe, data.validation is not None)
        return recipe
    advice = advice_for(recipe, data, model)
    for decision in advice.decisions:
        say(f"auto: {decision}")
    return carried_out(recipe, advice)


def check_judged(recipe: Recipe, judged: bool) -> None:
    """Raise ``InputError`` for what decides by evaluations, where nothing is ``judged`` as there are no validation rows."""
    names = [name_of(part) for part in (*recipe.strategies, *recipe.watch) if part.by_evaluations]
    names += [recipe.training.schedule] * (recipe.training.schedule in BY_EVALUATIONS)
    if names and not judged:
        message = f"{' and '.join(names)} decide{'s' * (len(names) == 1)} by evaluations, and there are no validation rows"
        raise InputError(Problem(message, "Give a file, or a share of the training rows: 10%", key="data.validation"))


def check_watch(recipe: Recipe, task: Task) -> None:
    """Raise ``InputError`` for observers of the recipe that need what the task has not."""
    who = "several tasks together have" if SEVERAL in task.offers else f"task '{name_of(task)}' has"
    problems = [
        Problem(f"'{name_of(part)}' needs {capability}, which {who} not", "Take it out of strategies", key=part._key or name_of(part))
        for part in recipe.watch
        for capability in sorted(part.needs - task.offers)
    ]
    if problems:
        raise InputError(*problems)


def carried_out(recipe: Recipe, advice: Advice) -> Recipe:
    """The recipe with the advice in it."""
    chosen = recipe_from({"model": recipe.model, "task": recipe.task, "data": recipe.data, **written(advice)})
    training = {name: getattr(chosen.training, name) for name in advice.training}
    return replace(recipe, strategies=chosen.strategies, watch=chosen.watch, training=replace(recipe.training, **training), auto=None)


def written(advice: Advice) -> dict[str, Any]:
    """The advice as the keys of a recipe."""
    return {"strategies": advice.strategies, "training": advice.training}


def advice_for(recipe: Recipe, data: Data, model: Model) -> Advice:
    """What the rules choose for a recipe, its data and its model."""
    assert recipe.auto is not None
    training, given = recipe.training, recipe.auto.given
    epochs = training.epochs if training.steps is None else training.steps * training.batch_size / len(data.train)
    situation = replace(
        around(recipe.task, data, kind_of(model.module), compares_sentences(model.source)),
        means=compares_means(model),
        parameters=sum(param.numel() for param in model.module.parameters()),
        dropout=any(isinstance(part, nn.Dropout) and part.p > 0 for part in model.module.modules()),
        adapter=hasattr(model.module, "peft_config"),
        new_head=bool(model.fresh),
        epochs=epochs if "epochs" in given else 0.0,
    )
    if recipe.auto.memory is None:
        return advise_within(situation, work_of(recipe, data, model, (0.0, 0)), {}, given)
    work = work_of(recipe, data, model, lengths(recipe.task, data, model))
    return advise_within(situation, work, {"memory": bytes_of(recipe.auto.memory)}, given)


def compares_means(model: Model) -> bool:
    """Whether a model compares sentences by the mean of its states, and is of a family whose head can read that."""
    if not (compares_sentences(model.source) and can_end_in_mean(model.module)):
        return False
    with suppress(InputError):  # vectors are made in a way that tunesmith does not have
        return pooling_of(model.source.path) == "mean"
    return False


def around(task: Task, data: Data, kind: str, sentences: bool = False) -> Situation:
    """The situation as far as task and data tell it, for a model of a kind, which was made to compare ``sentences`` or not."""
    auto = task.head().auto
    each = shots(task, data) if sentences and kind == "encoder" else math.inf
    media = any(column.file for column in task.columns()) or "Audio" in auto or "Speech" in auto
    return Situation(
        task=name_of(task),
        model=kind,
        parameters=0,
        rows=len(data.train),
        validation=0 if data.validation is None else len(data.validation),
        sentences=each < math.inf,
        shots=each,
        classes=len(getattr(task, "labels", ())) if each < math.inf else 0,
        imbalance=imbalance(task, data),
        reads="media" if media else "text",
        logits="logits" in task.offers,
        head=auto in WITH_HEAD and not (kind == "decoder" and auto == "AutoModelForMultipleChoice"),
        compares=task.compares,
    )


def shots(task: Task, data: Data) -> float:
    """Rows of an average class; infinitely many where rows are no single texts with a label each."""
    labels = getattr(task, "labels", [])
    texts = "labels of whole texts" in task.offers and getattr(task, "kind", "") == "single" and not getattr(task, "pairs", False)
    return len(data.train) / len(labels) if texts and labels else math.inf


def imbalance(task: Task, data: Data) -> float:
    """Rows of the most frequent class for one of the rarest; 0 where there are no classes, or the task weighs them already."""
    roles = truths(data.train.rows, task)
    if not roles or getattr(task, "class_weights", "none") != "none" or getattr(task, "kind", "single") == "regression":
        return 0.0
    if not getattr(task, "labels", []):
        return 0.0
    counts = Counter(label for row in labels_of(data.train.rows.column(roles[0])) or [] for label in row)
    return max(counts.values()) / min(counts.values()) if counts else 0.0


def kind_of(module: nn.Module) -> str:
    """``encoder``, ``decoder`` or ``encoder_decoder``: what a model of transformers is, by its family."""
    from transformers.models.auto import modeling_auto as known

    config: Any = module.config
    if getattr(config, "is_encoder_decoder", False):
        return "encoder_decoder"
    family = config.model_type
    decodes = family in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and family not in known.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return "decoder" if decodes else "encoder"


def lengths(task: Task, data: Data, model: Model) -> tuple[float, int]:
    """Tokens of an average row and of the longest, from some that are spread over the training data."""
    places = np.unique(np.linspace(0, len(data.train) - 1, min(len(data.train), SAMPLED)).astype(int))
    items = task.encode([data.train[int(place)] for place in places], model.tokenizer)
    counts = [int(item.get("length") or len(item.get("input_ids", ()))) for item in items]
    return sum(counts) / len(places), max(counts)


def work_of(recipe: Recipe, data: Data, model: Model, tokens: tuple[float, int]) -> Work:
    """What a recipe has to do with a model."""
    training, params = recipe.training, describe(model.module)
    layers = max((param.layers for param in params.values()), default=0)
    inner = sum(param.size for param in params.values() if 1 <= param.depth <= layers)
    writes = recipe.task.head().auto in WRITING
    return Work(
        parameters=sum(param.size for param in params.values()),
        inner=inner,
        layers=layers,
        width=round(math.sqrt(inner / (12 * max(1, layers)))),
        rows=len(data.train),
        tokens=tokens[0],
        longest=tokens[1],
        vocabulary=int(getattr(model.module.config, "vocab_size", 0) or 0) if writes else 0,
        judged=0 if data.validation is None else len(data.validation),
        epochs=training.epochs,
        batch_size=training.batch_size,
        micro_batch=training.micro_batch,
        optimizer=training.optimizer,
        item=torch.tensor([], dtype=FORMATS.get(training.precision, torch.float32)).element_size(),
    )
