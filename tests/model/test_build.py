"""``build`` for every family: it trains, and what is saved loads again with nothing missing and nothing left over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import Head
from tunesmith.model.build import build
from tunesmith.model.save import digest, save

CLASSIFIER = Head("AutoModelForSequenceClassification", {"num_labels": 3})
IDS = torch.tensor([[tiny.CLS, 9, 10, tiny.SEP], [tiny.CLS, 11, tiny.SEP, tiny.PAD]])
TEXT = {"input_ids": IDS, "attention_mask": (IDS != tiny.PAD).long()}
IMAGE = {"pixel_values": torch.arange(2 * 3 * 16 * 16).reshape(2, 3, 16, 16) / 1000}
SOUND = {"input_features": torch.arange(2 * 8 * 32).reshape(2, 8, 32) / 100}
CLASSES = torch.tensor([2, 0])

# family -> head, inputs with labels
CASES: dict[str, tuple[Head, dict[str, Tensor]]] = {
    **{
        family: (CLASSIFIER, TEXT | {"labels": CLASSES})
        for family in ("bert", "roberta", "distilbert", "electra", "albert", "xlnet", "deberta", "modernbert", "gpt2", "qwen2", "bart")
    },
    **{family: (Head("AutoModelForCausalLM", {}), TEXT | {"labels": IDS}) for family in ("gptneox", "llama")},
    **{family: (Head("AutoModelForSeq2SeqLM", {}), TEXT | {"labels": IDS}) for family in ("t5", "marian")},
    "clip": (Head("AutoModel", {}), TEXT | IMAGE | {"return_loss": torch.tensor(True)}),
    "vit": (Head("AutoModelForImageClassification", {"num_labels": 3}), IMAGE | {"labels": CLASSES}),
    "whisper": (Head("AutoModelForSpeechSeq2Seq", {}), SOUND | {"labels": IDS}),
}


@pytest.mark.parametrize("family", tiny.configs)
def test_every_family_trains_and_returns(family: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tiny.folder(tmp_path, family)
    head, inputs = CASES[family]
    capfd.readouterr()
    model = build(str(folder), head)
    assert capfd.readouterr() == ("", "")

    model.module(**inputs).loss.backward()
    learning = {name for name, parameter in model.module.named_parameters() if parameter.grad is not None}
    assert set(model.fresh) <= learning

    save(model, tmp_path / "saved")
    assert capfd.readouterr() == ("", "")
    again = build(str(tmp_path / "saved"), head)
    assert again.fresh == ()
    assert "left out" not in again.about
    assert digest(again.module) == digest(model.module)
    words = getattr(again.tokenizer, "tokenizer", again.tokenizer)  # a processor holds it where the model reads images or sound
    assert words is None or words("A good film!").input_ids == tiny.tokenizer()("A good film!").input_ids
    loaded: Any = getattr(transformers, head.auto).from_pretrained(tmp_path / "saved")
    assert digest(loaded) == digest(model.module)  # and loads without tunesmith


def test_what_is_new_is_named_and_is_a_function_of_the_seed(tmp_path: Path) -> None:
    folder = str(tiny.folder(tmp_path))
    digests = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        model = build(folder, CLASSIFIER)
        assert model.fresh == ("classifier.weight", "classifier.bias")
        digests.append(digest(model.module))
    assert digests[0] == digests[1] != digests[2]


def test_the_pretrained_weights_are_the_saved_ones(tmp_path: Path) -> None:
    model = build(str(tiny.folder(tmp_path)), CLASSIFIER)
    assert digest(model.module.bert) == digest(tiny.base())
    assert not model.module.training


def test_the_line_says_what_was_loaded(tmp_path: Path) -> None:
    folder = tiny.folder(tmp_path)
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# Tiny\n")
    line = build(str(folder), CLASSIFIER).about
    assert line == f"bert (Bert, 3 layers, 32.1 k parameters, float32) from {folder}, apache-2.0; new head: classifier (99)"


def test_the_line_says_what_was_left_out(tmp_path: Path) -> None:
    torch.manual_seed(0)
    transformers.BertForPreTraining(tiny.configs["bert"]()).save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    assert build(str(tmp_path), CLASSIFIER).about.endswith("; new head: classifier (99); left out: cls")


def test_layers_that_the_configuration_does_not_count_are_left_out_aloud(tmp_path: Path) -> None:
    folder = tiny.folder(tmp_path)
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"num_hidden_layers": 3', '"num_hidden_layers": 2'))
    assert build(str(folder), CLASSIFIER).about.endswith("left out: encoder.layer.2")


def test_a_number_format_can_be_chosen(tmp_path: Path) -> None:
    model = build(str(tiny.folder(tmp_path)), CLASSIFIER, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in model.module.parameters()} == {torch.bfloat16}
    assert "bfloat16" in model.about


def test_a_text_model_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    tiny.base().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="no tokenizer beside the weights"):
        build(str(tmp_path), CLASSIFIER)


def test_an_image_model_needs_none_but_what_prepares_images(tmp_path: Path) -> None:
    folder = tiny.folder(tmp_path, "vit")
    for file in folder.glob("tokenizer*"):
        file.unlink()
    assert build(str(folder), CASES["vit"][0]).tokenizer.tokenizer is None
    tiny.base("vit").save_pretrained(tmp_path / "bare")
    with pytest.raises(InputError, match="beside the weights"):
        build(str(tmp_path / "bare"), CASES["vit"][0])


def test_an_encoder_and_a_decoder_made_of_two_models(tmp_path: Path) -> None:
    folder = str(tiny.folder(tmp_path))
    joined = transformers.EncoderDecoderModel.from_encoder_decoder_pretrained(folder, folder)
    joined.config.decoder_start_token_id = tiny.CLS
    joined.config.pad_token_id = tiny.PAD
    joined.save_pretrained(tmp_path / "joined")
    tiny.tokenizer(token_types=False).save_pretrained(tmp_path / "joined")
    model = build(str(tmp_path / "joined"), Head("AutoModelForSeq2SeqLM", {}))
    assert model.fresh == ()
    assert digest(model.module) == digest(joined)
    assert "6 layers" in model.about


@pytest.mark.slow
def test_the_real_minilm() -> None:
    model = build("sample:minilm", CLASSIFIER)
    assert model.about == (
        "all-MiniLM-L6-v2 (Bert, 6 layers, 22.7 M parameters, float32) from sample:minilm, Apache-2.0; new head: classifier (1.2 k)"
    )
    assert model.source.base_model == "sentence-transformers/all-MiniLM-L6-v2"
