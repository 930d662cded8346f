"""Classification without training: a model labels rows by the names of the labels, in the way that it can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.words import Say
from tunesmith.data.patterns import check_continues, check_pattern
from tunesmith.labelling import CONTINUES, PATTERNS, WAYS, Asked
from tunesmith.model.build import build_for
from tunesmith.model.files import read_json
from tunesmith.model.sources import ModelSource, compares_sentences, resolve
from tunesmith.model.zero_shot import entailing
from tunesmith.tuned import Tuned, finished_run, is_model

CANNOT = {  # way -> why a model that is not made for it cannot
    "entailment": "the model has no label that says entailment",
    "text_to_text": "the model has no encoder and decoder of texts",
    "pictures": "the model does not bring pictures and texts together",
}


def zero_shot(which: str | Path, asked: Asked, runs: str | Path = "runs", say: Say | None = None) -> Tuned:
    """The model that ``which`` names, a run among them, as a classifier for labels that it was never shown.

    ``say`` gets a line where something is put before each text, since the model was made so. Raises ``InputError`` for labels,
    patterns and ways that do not go with the model.
    """
    spec = str(which) if is_model(str(which), Path(runs)) else str(finished_run(which, runs) / "model")
    if len(asked.labels) < 2:
        raise InputError(Problem("there must be two labels at least", "Write --labels good,bad"))
    source = resolve(spec)
    asked = completed(asked, ways_of(source), source)
    task = WAYS[asked.way](asked, source)
    if say and (prefix := getattr(task, "prefix", "")):
        say(f"{source.name} was made for texts that begin with '{prefix}', so each text and each label does here")
    torch.manual_seed(0)
    model = build_for(task, spec)
    if lost := [name for name in model.fresh if "pooler" not in name]:
        message = f"the model cannot label by {asked.way}: {lost[0]} would be new"
        raise InputError(Problem(message, f"Name a model that was trained for it, or --way {ways_of(source)[0]}", spec))
    names = {label.lower(): label for label in task.labels} | {str(number): label for number, label in enumerate(task.labels)}
    return Tuned(model, task, {}, {other: label for other, label in names.items() if other not in task.labels})


def completed(asked: Asked, ways: Sequence[str], source: ModelSource) -> Asked:
    """What is asked, with everything said that was left to the model. Raises ``InputError`` for what nothing would read."""
    way = ways[0] if asked.way == "auto" else asked.way
    writes = way == "masked" or way in CONTINUES
    if way in CANNOT and way not in ways:
        raise InputError(Problem(CANNOT[way], f"Write --way {ways[0]}", source.spec))
    if asked.prior != "auto" and not writes:
        raise InputError(Problem(f"--prior is not read where labels are found by {way}", "Take it out"))
    pattern = asked.pattern or PATTERNS[way]
    check_pattern(pattern, "--pattern", text=writes)
    if way in CONTINUES:
        check_continues(pattern, "--pattern")
    prior = asked.prior if asked.prior != "auto" else "content_free" if way in CONTINUES else "none"
    return Asked(asked.labels, way, pattern, prior)


def ways_of(source: ModelSource) -> list[str]:
    """The ways in which a model can label without training, the best first. Raises ``InputError`` for one that reads no text so."""
    if source.gguf:
        return ["causal"]
    from transformers.models.auto import modeling_auto

    config = read_json(source.path / "config.json")
    names, family = " ".join(config.get("architectures") or ()), config.get("model_type")
    decodes = family in modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
    found = {
        "embedding": compares_sentences(source),
        "entailment": entailing(config.get("id2label") or {}) is not None and "ForSequenceClassification" in names,
        "masked": "ForMaskedLM" in names or "ForPreTraining" in names,
        "causal": not decodes and ("ForCausalLM" in names or "LMHeadModel" in names),
        "text_to_text": decodes and not any(word in names for word in ("EncoderModel", "Classification")),
        "pictures": family in modeling_auto.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    }
    ways = [way for way, fits in found.items() if fits] or ["embedding"] * names.endswith("Model")
    if not ways:
        remedy = "Name an encoder of sentences, a model of entailment, a language model or a CLIP; a classifier is asked without --labels"
        raise InputError(Problem(f"the model ({names or 'of no named architecture'}) labels nothing without training", remedy, source.spec))
    return ways


def labels_in(text: str) -> dict[str, str]:
    """Labels of a command line, and what is written for each: ``good,bad``, or ``good: what praises; bad: what blames``.

    Raises ``InputError`` for an empty label and for one that is there twice.
    """
    parts = [part.strip() for part in text.split(";" if ";" in text or ":" in text else ",")]
    halves = (part.partition(":") for part in parts)
    pairs = [(label.strip(), words.strip() or label.strip().replace("_", " ")) for label, _, words in halves]
    labels = [label for label, _ in pairs]
    if not all(labels) or len(set(labels)) < len(labels):
        remedy = "Write good,bad, or good: what praises; bad: what blames"
        raise InputError(Problem(f"--labels '{text}' has an empty label, or one twice", remedy))
    return dict(pairs)
