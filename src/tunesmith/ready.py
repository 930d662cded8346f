"""Models that were tuned elsewhere: the task that their own files tell, and what it knows of the labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.label_task import PROBLEM
from tunesmith.core.task import Task
from tunesmith.data.sentence_folder import pooling_of
from tunesmith.data.tagging import scheme_of
from tunesmith.model.build import Model, build_for
from tunesmith.model.files import CONFIG, read_json
from tunesmith.model.sources import ModelSource, compares_sentences
from tunesmith.model.tokenizer import load_tokenizer
from tunesmith.recipes.find import find

LONGEST = 512  # tokens of a text, where the model does not say less
# By the class of transformers that holds the model: the task. Of those that talk, the ones without a chat template go on with texts.
TASKS = {
    "AutoModelForSequenceClassification": "text_classification",
    "AutoModelForTokenClassification": "token_classification",
    "AutoModelForQuestionAnswering": "extractive_qa",
    "AutoModelForMultipleChoice": "multiple_choice",
    "AutoModelForSeq2SeqLM": "sequence_to_sequence",
    "AutoModelForSpeechSeq2Seq": "speech_recognition",
    "AutoModelForCausalLM": "chat",
    "AutoModelForMaskedLM": "masked_language_modelling",
    "AutoModelForImageClassification": "image_classification",
    "AutoModelForAudioClassification": "audio_classification",
    "AutoModelForZeroShotImageClassification": "image_text",
}


def ready(source: ModelSource, named: str = "") -> tuple[Model, Task]:
    """A model and the task that it does: the ``named`` one, or the one that its architecture tells.

    Raises ``InputError`` for a model that tells none, and for one whose head would be new.
    """
    if source.adapter and (not named or named in SETTINGS):
        raise InputError(Problem("an adapter does not name its labels", "Name the run that it comes from", source.spec))
    described = {} if source.gguf else read_json(source.path / CONFIG)
    name = named or _told_by(source, described)
    kind = find("tasks", name)
    task: Task = kind(**SETTINGS[name](source, described)) if name in SETTINGS else kind()
    model = build_for(task, source.spec)
    pooled = task.head().auto == "AutoModel"  # of which the states are asked, and not what a pooler makes of them
    if lost := [weight for weight in model.fresh if not (pooled and "pooler" in weight)]:
        raise _nothing(source, f"the model was not tuned for {name}: {lost[0]} would be new")
    return model, task


def named_labels(task: Task) -> dict[str, str]:
    """What rows may call a label of the task: its number, and its name in small letters."""
    labels = task.settings().get("labels") or []
    names = {str(number): label for number, label in enumerate(labels)} | {label.lower(): label for label in labels}
    return {other: label for other, label in names.items() if other not in labels}


def _told_by(source: ModelSource, described: Mapping[str, Any]) -> str:
    """The name of the task that the files of a model tell. Raises ``InputError`` where they tell none."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES

    if compares_sentences(source):
        return "embedding"
    told, family = described.get("architectures") or [], described.get("model_type")
    config = CONFIG_MAPPING[family] if family in CONFIG_MAPPING_NAMES else None
    mappings = {auto: getattr(transformers, auto)._model_mapping for auto in TASKS}
    auto = next((auto for auto, known in mappings.items() if config in known and known[config].__name__ in told), None)
    if source.gguf or auto == "AutoModelForCausalLM":
        talks = getattr(load_tokenizer(source.path), "chat_template", None)
        return "chat" if talks else "causal_language_modelling"
    if auto is None:
        raise _nothing(source, f"the model ({' '.join(told) or 'of no named architecture'}) does not tell which task it was tuned for")
    return TASKS[auto]


def _nothing(source: ModelSource, message: str) -> InputError:
    remedy = f"Name a run or a tuned model, say --as TASK, or tune this one: `tunesmith init FILE --model {source.spec}`"
    return InputError(Problem(message, remedy, source.spec))


def _labels(described: Mapping[str, Any]) -> list[str]:
    named = described.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # what transformers leaves out
    return [str(named[number]) for number in sorted(named, key=int)]


def _of_one_label(source: ModelSource, described: Mapping[str, Any]) -> dict[str, Any]:
    labels, kinds = _labels(described), {problem: kind for kind, problem in PROBLEM.items()}
    kind = kinds.get(described.get("problem_type") or "", "single" if len(labels) > 1 else "regression")
    return {"kind": kind, "labels": labels}


def _of_texts(source: ModelSource, described: Mapping[str, Any]) -> dict[str, Any]:
    return _of_one_label(source, described) | {"max_length": LONGEST}


def _of_tags(source: ModelSource, described: Mapping[str, Any]) -> dict[str, Any]:
    labels = _labels(described)
    return {"labels": labels, "scheme": scheme_of([[label] for label in labels]), "parting": "words", "max_length": LONGEST}


def _of_vectors(source: ModelSource, described: Mapping[str, Any]) -> dict[str, Any]:
    return {"pooling": pooling_of(source.path), "max_length": LONGEST}


# What a task must know from the files of the model.
SETTINGS: dict[str, Callable[[ModelSource, Mapping[str, Any]], dict[str, Any]]] = {
    "text_classification": _of_texts,
    "token_classification": _of_tags,
    "image_classification": _of_one_label,
    "audio_classification": _of_one_label,
    "embedding": _of_vectors,
}
