"""Speech recognition: what is learned, cut, written and refused."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import WhisperFeatureExtractor

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import RowError
from tunesmith.data.audio import tone
from tunesmith.data.encode import Encoded
from tunesmith.model.processor import Processor
from tunesmith.tasks.speech_recognition import SpeechRecognition

PROCESSOR = Processor(tiny.tokenizer(), WhisperFeatureExtractor(feature_size=8, hop_length=500, chunk_length=1))
MODULE: Any = type("Module", (), {"config": type("Config", (), {"max_target_positions": 8})})()


def met(**settings: Any) -> SpeechRecognition:
    task = SpeechRecognition(**settings)
    task.meet(MODULE, PROCESSOR)
    return task


def test_the_transcript_and_its_end_are_learned() -> None:
    task = met()
    raw = [{"audio": tone(440), "text": text} for text in ("a good film", "yes")]
    encoded = Encoded([task.encode([task.read(row) for row in raw], PROCESSOR)])
    batch = task.collate([encoded[0], encoded[1]], PROCESSOR)
    a, good, film, yes = PROCESSOR.tokenizer.convert_tokens_to_ids(["a", "good", "film", "yes"])
    assert batch.inputs["decoder_input_ids"].tolist() == [[tiny.CLS, a, good, film], [tiny.CLS, yes, tiny.SEP, tiny.SEP]]
    assert batch.targets["labels"].tolist() == [[a, good, film, tiny.SEP], [yes, tiny.SEP, -100, -100]]


def test_a_transcript_is_cut_at_what_the_decoder_takes() -> None:
    task = met(max_target_length=20)
    encoded = Encoded([task.encode([task.read({"audio": tone(440), "text": "a " * 9})], PROCESSOR)])
    assert len(encoded[0]["target_ids"]) == 7
    assert encoded.truncated == 1


def test_what_is_too_long_to_learn_from_is_transcribed_in_pieces() -> None:
    task = met(max_seconds=0.4)
    with pytest.raises(RowError, match=r"the recording has 1.0 seconds, and task.max_seconds is 0.4"):
        task.read({"audio": tone(440, 1.0), "text": "yes"})
    encoded = Encoded([task.encode([task.read({"audio": tone(440, seconds)}) for seconds in (1.0, 0.4)], PROCESSOR)])
    assert [(item["row"], item["begin"]) for item in encoded] == [(0, 0.0), (0, pytest.approx(0.4)), (0, pytest.approx(0.8)), (1, 0.0)]
    assert task.merge([{"text": "a good"}, {"text": "film"}]) == {"text": "a good film"}


def test_the_window_of_the_model_counts_too() -> None:
    task = met()
    with pytest.raises(RowError, match="the model hears 1 at once"):
        task.encode([task.read({"audio": tone(440, 1.5), "text": "yes"})], PROCESSOR)


def test_a_model_that_does_not_write() -> None:
    with pytest.raises(InputError, match="no tokenizer"):
        SpeechRecognition().meet(MODULE, Processor(None, PROCESSOR.reader))


def test_scores() -> None:
    task = SpeechRecognition()
    truths, predictions = [{"text": "A good film."}, {"text": "yes"}], [{"text": "a good day"}, {"text": "yes"}]
    assert task.metrics(predictions, truths)["wer"] == pytest.approx(1 / 4)
    assert task.correct(predictions, truths) == [pytest.approx(-1 / 3), 0]
