"""Which class holds a model, what is said where there is none, and bodies that a class calls otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForQuestionAnswering

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import Head
from tunesmith.model.build import build
from tunesmith.model.heads import class_of
from tunesmith.model.save import save

WRITER = Head("AutoModelForCausalLM", {})
PAIRS = Head("AutoModelForSeq2SeqLM", {}, otherwise=("AutoModelForCausalLM",))
CHOICES = Head("AutoModelForMultipleChoice", {}, otherwise=("AutoModelForCausalLM",))


def test_the_first_class_that_knows_the_family() -> None:
    assert class_of(tiny.configs["bart"](), PAIRS).__name__ == "AutoModelForSeq2SeqLM"
    assert class_of(tiny.configs["llama"](), PAIRS).__name__ == "AutoModelForCausalLM"
    assert class_of(tiny.configs["bert"](), CHOICES).__name__ == "AutoModelForMultipleChoice"


@pytest.mark.parametrize(
    ("family", "head", "message"),
    [
        ("distilbert", WRITER, "distilbert models have no AutoModelForCausalLM. Name sample:smollm2 or another decoder"),
        ("t5", WRITER, "t5 models have an encoder and a decoder, .* decoder, or set task: sequence_to_sequence"),
        ("bart", WRITER, "bart models have an encoder and a decoder, .* decoder, or set task: sequence_to_sequence"),
        ("marian", CHOICES, "marian models have an encoder and a decoder, .*, or set task: sequence_to_sequence"),
        ("whisper", WRITER, r"whisper models have an encoder and a decoder, .* another decoder\.$"),
        ("gpt2", Head("AutoModelForMaskedLM", {}, instead="task.language: causal"), "encoder of texts, or set task.language: causal"),
        ("gpt2", Head("AutoModelForMaskedLM", {}), "gpt2 models have no AutoModelForMaskedLM. Name sample:minilm or another encoder"),
    ],
)
def test_a_family_without_a_head_is_told_what_to_name(family: str, head: Head, message: str) -> None:
    with pytest.raises(InputError, match=message):
        class_of(tiny.configs[family](), head)


def test_a_model_that_sees_ahead_gets_no_head_that_writes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"bert models read texts and do not write any. Name sample:smollm2 or another decoder"):
        build(str(tiny.folder(tmp_path)), WRITER)
    with pytest.raises(InputError, match=r"roberta models read texts .*, or two encoders as \{encoder: ..., decoder: ...\}"):
        build(str(tiny.folder(tmp_path, "roberta")), PAIRS)


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_a_body_that_answers_questions_is_read_by_its_usual_name_and_written_by_its_own(tmp_path: Path, family: str) -> None:
    torch.manual_seed(0)
    pretrained = AutoModelForCausalLM.from_config(tiny.configs[family]())
    pretrained.save_pretrained(tmp_path / "pretrained")
    tiny.tokenizer(token_types=False).save_pretrained(tmp_path / "pretrained")
    model = build(str(tmp_path / "pretrained"), Head("AutoModelForQuestionAnswering", {}))
    assert model.fresh == ("qa_outputs.weight", "qa_outputs.bias")
    assert torch.equal(model.module.transformer.embed_tokens.weight, pretrained.model.embed_tokens.weight)
    save(model, tmp_path / "tuned")
    assert "transformer.embed_tokens.weight" in load_file(tmp_path / "tuned" / "model.safetensors")
    _, info = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "tuned", output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
