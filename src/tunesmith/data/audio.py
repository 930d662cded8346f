"""Sound: any file of one or more channels at any rate, checked as rows are read, and made into what the model hears in a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tunesmith.core.errors import ResourceError
from tunesmith.core.task import Row, RowError
from tunesmith.data.media import Medium, checked, medium_of, of_feature

Wave = npt.NDArray[np.float32]
LOUDEST = 8.0  # above, samples were not scaled to -1 to 1; what is a little above 1 is clipped


def soundfile() -> Any:
    """The package. Raises ``ResourceError`` where it is not installed."""
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: its C library is missing
        raise ResourceError("Sound needs the package soundfile", remedy="Run: pip install 'tunesmith[audio]'") from error
    return soundfile


def read_sound(value: Any, role: str = "audio") -> Medium:
    """The sound in a cell: a path, the bytes of a file, ``{bytes, path}``, or ``{array, sampling_rate}``.

    Raises ``RowError`` for what is not there, cannot be decoded to its end, or is empty.
    """
    medium = medium_of(value, role, recorded)
    seconds_of(medium)
    return medium


def seconds_of(medium: Medium) -> float:
    """How long a sound is. Raises ``RowError`` where it cannot be decoded, or is empty."""
    return checked(medium, _check)


def check_seconds(seconds: float, most: float, why: str) -> None:
    """Raise ``RowError`` for a recording to be learned from that is too long: its transcript cannot be cut with it."""
    if seconds > most + 1e-6:
        message = f"the recording has {seconds:.1f} seconds, and {why.format(most)}"
        raise RowError(message, "Cut it, and its transcript, or leave the row out", "audio")


def heard(medium: Medium, rate: int, begin: float = 0.0, most: float = math.inf) -> Wave:
    """The samples (samples,) at ``rate`` in hertz, the mean of all channels: from ``begin`` on, ``most`` seconds at most.

    Raises ``RowError`` where it cannot be decoded.
    """
    own, samples = _decoded(medium)  # (samples, channels)
    start = round(begin * own)
    stop = len(samples) if math.isinf(most) else start + round(most * own)
    return resampled(samples[start:stop].mean(axis=1, dtype=np.float32), own, rate)


def resampled(wave: Wave, rate: int, wanted: int) -> Wave:
    """The same sound at another rate, both in hertz: a polyphase filter, so that nothing above half of the lower rate folds back."""
    if rate == wanted:
        return wave
    try:
        from scipy.signal import resample_poly
    except ImportError as error:
        raise ResourceError("Sound of another rate needs the package scipy", remedy="Run: pip install 'tunesmith[audio]'") from error
    common = math.gcd(rate, wanted)
    return np.asarray(resample_poly(wave, wanted // common, rate // common), np.float32)


def hearable(features: Sequence[Row], reader: Any, most: float) -> dict[str, Tensor]:
    """The sounds of some features as the keywords of the model: ``input_features`` (batch, bins, frames), or ``input_values``.

    ``reader`` is a feature extractor of transformers; of each sound ``most`` seconds are heard, from ``begin`` of the feature on.
    """
    waves = [heard(of_feature(feature), reader.sampling_rate, feature.get("begin", 0.0), most) for feature in features]
    name = reader.model_input_names[0]
    padding = {} if hasattr(reader, "chunk_length") else {"padding": True}  # Whisper's is always of one length
    found = reader(waves, sampling_rate=reader.sampling_rate, return_tensors="pt", **padding)
    return {key: tensor for key, tensor in found.items() if key in (name, "attention_mask")}


def window(reader: Any) -> float:
    """The seconds that a model hears at once; infinite where it takes any number."""
    return float(getattr(reader, "chunk_length", math.inf))


def positions(reader: Any, seconds: float) -> int:
    """How many positions a sound takes, about: of two frames one, 50 a second. Whisper pads each sound to its whole window."""
    frames = getattr(reader, "nb_max_frames", None)
    return max(1, int(frames) // 2 if frames else round(50 * seconds))


def tone(pitch: float, seconds: float = 0.5, rate: int = 8000) -> Row:
    """A pure tone of ``pitch`` hertz, as a cell of data may hold it."""
    return {"array": np.sin(2 * np.pi * pitch / rate * np.arange(int(seconds * rate))).round(4).tolist(), "sampling_rate": rate}


def recorded(value: Any) -> bytes:
    """``{array, sampling_rate}`` as the content of a WAV file; the array is (samples,) or (samples, channels). Raises ``RowError``."""
    if not isinstance(value, Mapping) or not {"array", "sampling_rate"} <= value.keys():
        raise RowError("the value is no sound", "Give the path of a file, its bytes, or {array: ..., sampling_rate: 16000}", "audio")
    try:
        samples = np.asarray(value["array"], np.float32)
    except (TypeError, ValueError):
        samples = np.zeros((0, 0, 0), np.float32)
    if samples.ndim not in (1, 2) or not np.isfinite(samples).all() or not isinstance(value["sampling_rate"], int | float):
        raise RowError("the samples are no finite numbers of the shape (samples,) or (samples, channels)", "Mend them", "audio")
    if (most := float(np.abs(samples).max(initial=0.0))) > LOUDEST:
        raise RowError(f"the samples go up to {most:g}", "Give numbers from -1 to 1", "audio")
    content = BytesIO()  # not as floats: libsndfile writes the time of day beside them
    soundfile().write(content, samples, int(value["sampling_rate"]), format="WAV", subtype="PCM_32")
    return content.getvalue()


def _decoded(medium: Medium) -> tuple[int, Wave]:
    """The rate, and the samples (samples, channels)."""
    library = soundfile()
    try:
        samples, rate = library.read(medium if isinstance(medium, str) else BytesIO(medium), dtype="float32", always_2d=True)
    except (library.SoundFileError, RuntimeError, ValueError) as error:
        name = medium if isinstance(medium, str) else "the content"
        said = str(error).rpartition(": ")[2].strip().rstrip(".")
        message = f"{name} is no sound that can be read ({said})"
        raise RowError(message, "Write it as WAV, FLAC, OGG or MP3, or leave the row out", "audio") from error
    return int(rate), samples


def _check(medium: Medium) -> float:
    rate, samples = _decoded(medium)
    if not len(samples):
        raise RowError(
            f"{medium if isinstance(medium, str) else 'the content'} has no sound in it", "Record it again, or leave the row out", "audio"
        )
    if not np.isfinite(samples).all():
        raise RowError("some samples are no finite numbers", "Write the file again, or leave the row out", "audio")
    return len(samples) / rate
