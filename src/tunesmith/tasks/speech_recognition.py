"""Speech recognition: the text of a recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row, Statistic, Task
from tunesmith.data.audio import check_seconds, hearable, positions, read_sound, seconds_of, tone, window
from tunesmith.data.media import as_feature, called
from tunesmith.data.text import check_text
from tunesmith.metrics.speech import error_rates, errors_over
from tunesmith.model.decoding import Decoding
from tunesmith.model.generate import texts
from tunesmith.model.labelled import labelled_logits
from tunesmith.model.speech import prefix_of, set_language, transcribe

IGNORED = -100  # the label of a position that is not learned


@dataclass
class SpeechRecognition(Task):
    """Writes what is said in a recording (Whisper and its kin).

    A recording is the path of a WAV, FLAC, OGG or MP3 file, from the folder of the data file, its bytes, ``{bytes, path}`` or
    ``{array, sampling_rate}``. The loss is the cross-entropy of the transcript's tokens and of its end. Rows to learn from must fit
    into ``max_seconds``; longer recordings are transcribed piece by piece. A prediction has the ``text``. Word and character errors are
    edits by what was said in all rows together.
    """

    language: str = setting("", "the language that is spoken, es or spanish, for models of several; empty: the model's own")
    max_seconds: float = setting(30.0, "longest recording in seconds, or what the model takes if less", above=0)
    max_target_length: int = setting(128, "longest transcript in tokens; the end of longer ones is cut in learning, and counted", low=2)
    plain: bool = setting(True, "whether case and punctuation are passed over when transcripts are judged")
    metric: str = setting(
        "wer", "the metric that decides: errors by words, or by characters where words have no spaces", choices=("wer", "cer")
    )
    num_beams: int = setting(1, "texts kept in a beam search; 1 takes the likeliest token each time", low=1)

    offers: ClassVar[frozenset[str]] = frozenset({"logits"})

    @property
    def primary(self) -> str:
        return self.metric

    @property
    def higher_is_better(self) -> bool:
        return False

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        said = {"a good film": 200, "the sad music": 1500, "not very fast": 3500}
        return cls(max_target_length=16), [{"audio": tone(pitch + 40 * i), "text": text} for i in range(4) for text, pitch in said.items()]

    def columns(self) -> tuple[Column, ...]:
        audio = ("sound", "speech", "recording", "clip", "wav", "audio_path", "file", "file_name", "path")
        text = ("transcript", "transcription", "sentence", "normalized_text", "words")
        return Column("audio", audio, file=True), Column("text", text, truth=True)

    def learn(self, rows: Iterable[Row]) -> list[str]:
        lengths = [len(str(row["text"]).split()) for row in rows]
        return [f"task: {sum(lengths):,} words in {len(lengths):,} recordings, judged by {self.primary}"]

    def read(self, row: Row) -> Row:
        audio = read_sound(row["audio"])
        if "text" not in row:
            return {"audio": audio}
        check_text(row["text"], "text")
        check_seconds(seconds_of(audio), self.max_seconds, "task.max_seconds is {:g}")
        return {"audio": audio, "text": row["text"]}

    def meet(self, module: Any, tokenizer: Any) -> None:
        if getattr(tokenizer, "tokenizer", None) is None:
            raise InputError(Problem("There is no tokenizer beside the weights", "Copy its files there"))
        set_language(tokenizer.tokenizer, self.language)
        self._prefix = prefix_of(tokenizer.tokenizer)
        self._seconds = min(self.max_seconds, window(tokenizer.reader))
        self._room = min(self.max_target_length, getattr(module.config, "max_target_positions", 1 << 30) - len(self._prefix) - 1)

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        features = []
        for number, row in enumerate(rows):
            seconds, whole = seconds_of(row["audio"]), {"example": number, **as_feature(row["audio"])}
            if "text" in row:
                check_seconds(seconds, self._seconds, "the model hears {:g} at once")
                ids = tokenizer.tokenizer(row["text"], return_attention_mask=False, verbose=False)["input_ids"][len(self._prefix) :]
                whole |= {"target_ids": [*self._prefix, *ids[: self._room]], "truncated": max(0, len(ids) - self._room)}
            starts = [0.0] if "text" in row else [i * self._seconds for i in range(max(1, -int(-seconds // self._seconds)))]
            taken = positions(tokenizer.reader, min(seconds, self._seconds))
            features += [{**whole, "begin": start, "length": taken} for start in starts]
        return features

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        inputs, targets = hearable(features, tokenizer.reader, self._seconds), {}
        if "target_ids" in features[0]:
            longest = max(len(f["target_ids"]) for f in features)
            rows = [[*f["target_ids"], *f["target_ids"][-1:] * (longest - len(f["target_ids"]))] for f in features]
            sizes, places = torch.tensor([len(f["target_ids"]) for f in features])[:, None], torch.arange(1, longest)
            ids = torch.tensor(rows)  # (batch, length)
            learned = (places >= len(self._prefix)) & (places < sizes)
            inputs["decoder_input_ids"], targets["labels"] = ids[:, :-1], ids[:, 1:].masked_fill(~learned, IGNORED)
        rows_of = torch.tensor([feature["row"] for feature in features])
        return Batch(inputs, targets, rows_of, sum(feature["length"] for feature in features))

    def head(self) -> Head:
        return Head("AutoModelForSpeechSeq2Seq", {})

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        logits, targets = labelled_logits(batch, forward)  # (tokens, vocabulary), (tokens,)
        return Loss(F.cross_entropy(logits, targets, reduction="sum"), len(targets), logits, targets)

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        there = batch.to(forward.device)
        sounds = {name: tensor for name, tensor in there.inputs.items() if name != "decoder_input_ids"}
        decoding = Decoding(self._room, num_beams=self.num_beams)
        with forward.precision():
            written = transcribe(forward.module, tokenizer.tokenizer, sounds, self._prefix, decoding, batch.rows.tolist())
        return self.decode(batch, texts(tokenizer.tokenizer, written))

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        return [{"text": text.strip()} for text in output]

    def merge(self, parts: Sequence[Prediction]) -> Prediction:
        return {"text": " ".join(part["text"] for part in parts)}

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        return error_rates([row["text"] for row in truths], [prediction["text"] for prediction in predictions], self.plain)

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        """Minus the error rate of the row."""
        pairs = zip(predictions, truths, strict=True)
        return [-error_rates([row["text"]], [prediction["text"]], self.plain)[self.primary] for prediction, row in pairs]

    def over(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> Statistic:
        return errors_over(self.metric, [row["text"] for row in truths], [prediction["text"] for prediction in predictions], self.plain)

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        found = {"text": called(row["audio"], "recording"), "predicted": prediction["text"]}
        return found | ({"truth": row["text"]} if "text" in row else {})
