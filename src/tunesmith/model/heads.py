"""The class of transformers that holds a model with the head of a task, and what to name where a family has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import InputError, Problem

if TYPE_CHECKING:
    from tunesmith.core.task import Head

WRITES = "AutoModelForCausalLM"
# By the class that holds the model: one that is small and quick on a laptop, and what kind of model it is.
EXAMPLES = {
    WRITES: ("sample:smollm2", "decoder"),
    "AutoModelForSeq2SeqLM": ("sample:smollm2", "decoder, an encoder-decoder, or two encoders as {encoder: ..., decoder: ...}"),
    "AutoModelForImageClassification": ("facebook/dinov2-small", "model of images"),
    "AutoModelForZeroShotImageClassification": ("openai/clip-vit-base-patch32", "CLIP"),
    "AutoModelForSpeechSeq2Seq": ("openai/whisper-tiny", "model of speech that writes"),
    "AutoModelForAudioClassification": ("openai/whisper-tiny", "model of sound"),
}
EXAMPLE = ("sample:minilm", "encoder of texts")  # where the table names none


def class_of(config: Any, head: Head) -> Any:
    """The class of transformers for a model with this configuration. Raises ``InputError`` where the head has none for its family.

    Of an encoder-decoder a head that writes would be that of its decoder alone, without what it reads: it is refused.
    """
    import transformers

    autos = {name: getattr(transformers, name) for name in (head.auto, *head.otherwise)}
    name = next((name for name, known in autos.items() if type(config) in known._model_mapping), None)
    if WRITES in autos and name in (WRITES, None) and getattr(config, "is_encoder_decoder", False):
        pairs = type(config) in transformers.AutoModelForSeq2SeqLM._model_mapping
        remedy = named(head) + ", or set task: sequence_to_sequence" * pairs
        raise InputError(Problem(f"{config.model_type} models have an encoder and a decoder, and the task asks for one of them", remedy))
    if name is None:
        raise InputError(Problem(f"{config.model_type} models have no {head.auto}", named(head)))
    return autos[name]


def named(head: Head) -> str:
    """What to name for a head: ``Name sample:smollm2 or another decoder``."""
    example, kind = EXAMPLES.get(head.auto, EXAMPLE)
    return f"Name {example} or another {kind}" + (f", or set {head.instead}" if head.instead else "")


def renamed(config: Any, auto: Any) -> dict[str, str]:
    """What the class calls otherwise than checkpoints of its family do, as patterns of names and what stands for them there.

    A Llama that answers questions has as ``transformer`` what every other Llama calls ``model``.
    """
    import transformers
    from transformers.modeling_layers import GenericForQuestionAnswering

    own = auto._model_mapping[type(config)]
    if own not in GenericForQuestionAnswering.__subclasses__():
        return {}
    usual, called = transformers.AutoModel._model_mapping[type(config)].base_model_prefix, own.base_model_prefix
    return {rf"^{usual}\.": f"{called}."} if called != usual else {}


def keep_names(module: Any, names: Mapping[str, str]) -> None:
    """Let a module that was read with names of ``renamed`` be saved with those of its own class, which transformers would turn back."""
    module._weight_conversions = [turned for turned in module._weight_conversions if names.keys().isdisjoint(turned.source_patterns)]
