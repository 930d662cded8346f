"""A tokenizer and what reads images or sound, as one."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import Head
from tunesmith.model.build import build
from tunesmith.model.processor import Processor, load_reader, senses

SEEN = Head("AutoModelForImageClassification", {"num_labels": 2})


@pytest.mark.parametrize(
    ("family", "head", "reader", "reads"),
    [
        ("vit", "AutoModelForImageClassification", "ViTImageProcessorPil", False),
        ("clip", "AutoModelForZeroShotImageClassification", "CLIPImageProcessorPil", True),
        ("whisper", "AutoModelForSpeechSeq2Seq", "WhisperFeatureExtractor", True),
    ],
)
def test_a_model_that_sees_or_hears_has_a_processor(tmp_path: Path, family: str, head: str, reader: str, reads: bool) -> None:
    found = build(str(tiny.folder(tmp_path, family)), Head(head, {})).tokenizer
    assert isinstance(found, Processor)
    assert type(found.reader).__name__ == reader
    assert (found.tokenizer is not None) == reads


def test_it_loads_anywhere(tmp_path: Path) -> None:
    build(str(tiny.folder(tmp_path, "clip")), Head("AutoModel", {})).tokenizer.save_pretrained(tmp_path / "saved")
    assert transformers.AutoImageProcessor.from_pretrained(tmp_path / "saved", backend="pil").size == {"height": 16, "width": 16}
    assert len(transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path / "saved")) == len(tiny.VOCABULARY)


def test_a_model_that_reads_has_a_tokenizer(tmp_path: Path) -> None:
    model = build(str(tiny.folder(tmp_path)), Head("AutoModel", {}))
    assert not isinstance(model.tokenizer, Processor)
    assert senses(model.module) == ("text",)


def test_what_is_missing_or_damaged(tmp_path: Path) -> None:
    folder = tiny.folder(tmp_path, "vit")
    file = folder / "preprocessor_config.json"
    file.write_text("{")
    with pytest.raises(InputError, match=r"preprocessor_config.json cannot be used \(.+\)\. Copy it again"):
        build(str(folder), SEEN)
    file.unlink()
    with pytest.raises(InputError, match=r"no preprocessor_config\.json beside the weights"):
        build(str(folder), SEEN)


def test_a_file_of_the_other_kind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        load_reader(tiny.folder(tmp_path, "vit"), "audio")
