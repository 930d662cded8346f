"""Audio classification: what is read, refused and cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import WhisperFeatureExtractor

from tunesmith.core.errors import InputError
from tunesmith.data.audio import recorded, tone
from tunesmith.data.encode import Encoded
from tunesmith.data.load import load
from tunesmith.data.settings import DataSettings
from tunesmith.model.processor import Processor
from tunesmith.tasks.audio_classification import AudioClassification

PROCESSOR = Processor(None, WhisperFeatureExtractor(feature_size=8, hop_length=500, chunk_length=1))


def test_broken_recordings_are_told_by_their_lines(tmp_path: Path) -> None:
    (tmp_path / "good.wav").write_bytes(recorded(tone(440)))
    (tmp_path / "empty.wav").write_bytes(recorded({"array": [], "sampling_rate": 8000}))
    (tmp_path / "text.wav").write_bytes(b"no sound")
    (tmp_path / "rows.csv").write_text("audio,label\ngood.wav,a\nempty.wav,b\ntext.wav,a\nlost.wav,b\ngood.wav,b\n")
    with pytest.raises(InputError) as raised:
        load(DataSettings(train=str(tmp_path / "rows.csv"), validation=None), AudioClassification(), 0)
    assert [(problem.line, problem.column) for problem in raised.value.problems] == [(3, "audio"), (4, "audio"), (5, "audio")]


def test_what_is_too_long_is_cut_and_counted() -> None:
    task = AudioClassification(max_seconds=0.4)
    raw = [{"audio": tone(440, seconds), "label": label} for seconds, label in ((0.3, "a"), (0.5, "b"))]
    task.learn(raw)
    task.meet(None, PROCESSOR)
    rows = [task.read(row) for row in raw]
    encoded = Encoded([task.encode(rows, PROCESSOR)])
    assert encoded.truncated == 1
    shorter = {"audio": recorded(tone(440, 0.4)), "label": 1}
    same = Encoded([task.encode([shorter], PROCESSOR)])
    found, wanted = (task.collate([one], PROCESSOR).inputs["input_features"][0] for one in (encoded[1], same[0]))
    assert found.equal(wanted)
