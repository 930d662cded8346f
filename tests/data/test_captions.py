"""Captions and labels of images, and what makes two of them the same."""

from __future__ import annotations

import pytest
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

import tiny
from tunesmith.core.errors import InputError
from tunesmith.data.captions import collate_captions, different, encode_captions, tokenized
from tunesmith.data.encode import Encoded
from tunesmith.data.images import drawn
from tunesmith.model.processor import Processor

PROCESSOR = Processor(tiny.tokenizer(), ViTImageProcessorPil(size={"height": 16, "width": 16}))
DARK, LIGHT = drawn([[0, 0]]), drawn([[255, 255]])
ROWS = [{"image": DARK, "text": "A dull Film"}, {"image": LIGHT, "text": "the day"}, {"image": DARK, "text": "the day"}]


def test_captions_tell_pictures_apart() -> None:
    assert different(row["text"] for row in ROWS) == 2
    with pytest.raises(InputError, match="every row has the same text"):
        different(["the day", "the day"])


def test_what_is_the_same_has_the_same_key() -> None:
    first, second, third = encode_captions(ROWS, PROCESSOR.tokenizer, 16, 5)
    assert first["image_key"] == third["image_key"] != second["image_key"]
    assert second["text_key"] == third["text_key"] != first["text_key"]
    assert (first["tokens"], first["length"]) == (5, 10)


def test_a_batch_of_both() -> None:
    encoded = Encoded([encode_captions(ROWS, PROCESSOR.tokenizer, 16, 5)])
    batch = collate_captions([encoded[i] for i in range(3)], PROCESSOR)
    assert {name: tuple(tensor.shape) for name, tensor in batch.inputs.items()} == {
        "pixel_values": (3, 3, 16, 16),
        "input_ids": (3, 5),
        "attention_mask": (3, 5),
    }
    assert batch.notes["texts"] == ["A dull Film", "the day", "the day"]
    assert batch.notes["image_keys"] == [str(key) for key in batch.targets["image_key"].tolist()]
    assert batch.tokens == 10 + 9 + 9


def test_pictures_alone() -> None:
    encoded = Encoded([encode_captions([{"image": DARK}], PROCESSOR.tokenizer, 16, 5)])
    batch = collate_captions([encoded[0]], PROCESSOR)
    assert set(batch.inputs) == {"pixel_values"}
    assert batch.targets == {}


def test_texts_alone() -> None:
    assert tokenized(["the day", "film"], PROCESSOR.tokenizer, 16)["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
