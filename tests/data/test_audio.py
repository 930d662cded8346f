"""Recordings are read, mixed, resampled and refused by what is wrong with them."""

from __future__ import annotations

import builtins
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from transformers import Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

from tunesmith.core.errors import ResourceError
from tunesmith.core.task import RowError
from tunesmith.data.audio import hearable, heard, positions, read_sound, recorded, resampled, seconds_of, tone, window
from tunesmith.data.media import as_feature

WHISPER = WhisperFeatureExtractor(feature_size=8, hop_length=500, chunk_length=1)
WAVES = Wav2Vec2FeatureExtractor(return_attention_mask=True)


def wav(file: Path, channels: list[list[int]], rate: int = 8000) -> str:
    with wave.open(str(file), "wb") as written:
        written.setnchannels(len(channels))
        written.setsampwidth(2)
        written.setframerate(rate)
        written.writeframes(np.array(channels, "<i2").T.tobytes())
    return str(file)


def test_channels_are_averaged(tmp_path: Path) -> None:
    file = wav(tmp_path / "a.wav", [[16384] * 8, [0] * 8])
    assert heard(file, 8000).tolist() == pytest.approx([0.25] * 8)


def test_a_part_is_heard(tmp_path: Path) -> None:
    file = wav(tmp_path / "a.wav", [list(range(8000))])
    assert (heard(file, 8000, 0.5, 0.25) * 32768).round().tolist() == list(range(4000, 6000))
    assert len(heard(file, 8000, 0.9, 0.25)) == 800


@pytest.mark.parametrize(("rate", "wanted"), [(8000, 16000), (44100, 16000), (16000, 16000)])
def test_a_tone_keeps_its_pitch_at_another_rate(rate: int, wanted: int) -> None:
    sound = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    found = resampled(sound, rate, wanted)
    assert len(found) == wanted
    assert np.abs(np.fft.rfft(found)).argmax() == 440


def test_nothing_folds_back() -> None:
    high = np.sin(2 * np.pi * 7000 * np.arange(16000) / 16000).astype(np.float32)
    assert np.abs(resampled(high, 16000, 8000)[100:-100]).max() < 0.01


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
def test_files_and_their_content(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"a.{kind.lower()}"
    soundfile.write(file, np.sin(np.arange(4000) / 5) / 2, 8000, format=kind)
    assert read_sound(str(file)) == str(file)
    assert read_sound({"bytes": file.read_bytes(), "path": None}) == file.read_bytes()
    assert seconds_of(str(file)) == pytest.approx(0.5)
    assert np.abs(heard(str(file), 8000)).max() == pytest.approx(0.5, abs=0.05)


def test_numbers_with_a_rate() -> None:
    content = recorded({"array": [0.0, 0.5, -0.5], "sampling_rate": 16000})
    assert heard(content, 16000).tolist() == [0.0, 0.5, -0.5]
    assert seconds_of(read_sound(tone(440, 0.25))) == 0.25


@pytest.mark.parametrize(
    "value",
    [
        [0.0, 0.1],
        {"array": [0.1]},
        {"array": ["a"], "sampling_rate": 8000},
        {"array": [float("nan")], "sampling_rate": 8000},
        {"array": [9000], "sampling_rate": 8000},
        3,
    ],
)
def test_numbers_that_are_no_sound(value: Any) -> None:
    with pytest.raises(RowError) as raised:
        read_sound(value)
    assert raised.value.column == "audio"


def test_what_cannot_be_heard(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_bytes(b"no sound at all")
    wav(tmp_path / "silent.wav", [[]])
    with pytest.raises(RowError, match=r"text.wav is no sound that can be read \(.+\)"):
        read_sound(str(tmp_path / "text.wav"))
    with pytest.raises(RowError, match="has no sound in it"):
        read_sound(str(tmp_path / "silent.wav"))
    with pytest.raises(RowError, match="is not there"):
        read_sound(str(tmp_path / "lost.wav"))


def test_whisper_hears_a_window() -> None:
    features = [{**as_feature(recorded(tone(440, seconds))), "begin": 0.0} for seconds in (0.5, 2.0)]
    found = hearable(features, WHISPER, window(WHISPER))
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == {"input_features": (2, 8, 32)}
    assert (window(WHISPER), positions(WHISPER, 0.3)) == (1.0, 16)


def test_others_hear_what_there_is() -> None:
    features = [as_feature(recorded(tone(440, seconds, 16000))) for seconds in (0.5, 0.25)]
    found = hearable(features, WAVES, 10.0)
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == {"input_values": (2, 8000), "attention_mask": (2, 8000)}
    assert found["attention_mask"].sum(dim=1).tolist() == [8000, 4000]
    assert (window(WAVES), positions(WAVES, 0.5)) == (float("inf"), 25)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name in ("soundfile", "scipy.signal"):
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ResourceError, match="pip install 'tunesmith"):
        read_sound(b"RIFF of another test")
    with pytest.raises(ResourceError, match="pip install 'tunesmith"):
        resampled(np.zeros(8, np.float32), 8000, 16000)
