"""Extractive question answering: the answer to a question is a span of a given text, or there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row, Task
from tunesmith.data.spans import choose, spans_of
from tunesmith.data.squad import answer_of, answers_of, summary
from tunesmith.data.text import check_text
from tunesmith.data.windows import Windows, encode_windows, pad_windows
from tunesmith.data.words import likeliest_sentence, mostly_chinese
from tunesmith.metrics.answers import SCORING, answers, best_threshold

NONE = "no answer"


@dataclass
class ExtractiveQa(Task):
    """Answers a question with a span of a text, the context; where questions may have no answer, it can say so.

    A long context is read in overlapping windows. The loss is the mean cross-entropy of the first and the last token of the answer, over
    the context and one position that means no answer (Devlin et al. 2019, section 4.3). A prediction has the ``answer``, its ``start``
    and ``end`` in characters, its ``confidence`` among those of ``n_best``, and ``no_answer``: what no answer scores above the best span.
    ``answers`` are SQuAD's lists with their places, or texts that are looked for in the context; files of SQuAD, CMRC and DRCD are read.
    """

    max_length: int = setting(384, "longest window in tokens, or what the model takes if less; the question takes half at most", low=32)
    stride: int | None = setting(None, "tokens that windows of a long context share; a quarter of the window when not said", low=0)
    max_answer: int = setting(30, "longest answer that is given, in tokens", low=1)
    num_answers: int = setting(5, "answers listed in n_best, best first", low=1)
    unanswerable: bool | None = setting(None, "whether questions may have no answer; when not said: if some training rows have none")
    threshold: float = setting(0.0, "no answer is given where its score is higher than that of the best span by more than this")
    scoring: str = setting("auto", "what F1 counts; auto: characters for Chinese answers", choices=("auto", "words", "characters"))

    offers: ClassVar[frozenset[str]] = frozenset({"text"})
    applies: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {"threshold": ("unanswerable", (None, True))}

    @property
    def primary(self) -> str:
        return "f1"

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        story = "the movie was in paris . the music was a sad song . the man loved a cat . it was a fine day for the boring dog ."
        asked = (("the movie was in", "paris"), ("the music was", "a sad song"), ("the man loved", "a cat"), ("the worst film was", ""))
        rows = [
            {"question": f"{question} ?", "context": f"{number} {story}", "answers": {"text": [answer] if answer else []}}
            for number in range(3)
            for question, answer in asked
        ]
        return cls(max_length=32), rows

    def columns(self) -> tuple[Column, ...]:
        return (
            Column("question", ("query", "query_text", "prompt")),
            Column("context", ("passage", "paragraph", "context_text", "document", "article", "text"), group=True),
            Column("answers", ("answer", "answer_text", "answers_text"), truth=True, blank=True),
            Column("answer_start", ("answers_start", "start", "start_char"), required=False, truth=True),
            Column("is_impossible", ("impossible", "unanswerable", "no_answer"), required=False, truth=True),
        )

    def learn(self, rows: Iterable[Row]) -> list[str]:
        found = answers_of(rows, self.unanswerable)
        known = [answer.texts[0] for answer in found if answer.texts]
        self.unanswerable = len(known) < len(found) if self.unanswerable is None else self.unanswerable
        if not self.unanswerable and self.threshold:
            raise InputError(Problem("task.threshold is not read: every training row has an answer", "Take it out", key="task.threshold"))
        if self.scoring == "auto":
            self.scoring = "characters" if mostly_chinese(known) else "words"
        return summary(found, self.max_answer)

    def read(self, row: Row) -> Row:
        texts = {role: row[role] for role in ("question", "context")}
        for role, text in texts.items():
            check_text(text, role)
        if "answers" not in row:
            return texts
        found = answer_of(row, self.unanswerable)
        return texts | {"answers": list(found.texts), "start": found.start, "end": found.end}

    def meet(self, module: Any, tokenizer: Any) -> None:
        Windows.of(tokenizer, self.max_length, self.stride)

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        places = [(row["start"], row["end"]) for row in rows] if "answers" in rows[0] else None
        questions, contexts = ([row[role] for row in rows] for role in ("question", "context"))
        return encode_windows(questions, contexts, places, tokenizer, Windows.of(tokenizer, self.max_length, self.stride))

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        inputs, targets, tokens, items = pad_windows(features, tokenizer)
        return Batch(inputs, targets, torch.tensor([item["row"] for item in items]), tokens, {"items": items})

    def head(self) -> Head:
        return Head("AutoModelForQuestionAnswering", {})

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        output, barred = forward(batch), ~batch.targets["allowed"]
        scores = {end: output[f"{end}_logits"].float().masked_fill(barred, -torch.inf) for end in ("start", "end")}  # (batch, length)
        losses = [F.cross_entropy(scores[end], batch.targets[end], reduction="sum") for end in scores]
        return Loss(torch.stack(losses).mean(), len(batch))

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        starts, ends = (output[f"{end}_logits"].float().cpu().numpy() for end in ("start", "end"))  # (batch, length)
        rows = zip(batch.notes["items"], starts, ends, strict=True)
        return [spans_of(item, first, last, self.max_answer, self.num_answers) for item, first, last in rows]

    def merge(self, parts: Sequence[Prediction]) -> Prediction:
        return choose(parts, self.num_answers, self.threshold if self.unanswerable else None)

    def baselines(self, train: Iterable[Row], asked: Sequence[Row]) -> Mapping[str, Sequence[Prediction]]:
        none = {"answer": "", "n_best": [], "no_answer": 1.0}
        likeliest = [likeliest_sentence(row["question"], row["context"]) for row in asked]
        sentences = [{"answer": text, "n_best": [{"answer": text}], "no_answer": -1.0} for text in likeliest]
        return {"likeliest_sentence": sentences} | ({"no_answer": [none] * len(asked)} if self.unanswerable else {})

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        given, right = [p["answer"] for p in predictions], [row["answers"] for row in truths]
        scores = answers(given, right, self._scoring)
        if self.unanswerable:
            best = [(p["n_best"] or [p])[0]["answer"] for p in predictions]
            scores |= best_threshold(best, right, [p["no_answer"] for p in predictions], self._scoring)
        return scores

    @property
    def _scoring(self) -> str:
        return "cmrc" if self.scoring == "characters" else "squad_2" if self.unanswerable else "squad_1"

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        return [SCORING[self._scoring](p["answer"], row["answers"])[1] for p, row in zip(predictions, truths, strict=True)]

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        answer = prediction["answer"]
        found = {"text": row["question"], "predicted": answer or NONE, "context": row["context"]}
        if "answers" in row:
            right = SCORING[self._scoring](answer, row["answers"])[0] > 0
            found["truth"] = found["predicted"] if right else (row["answers"] or [NONE])[0]
        return found | {name: prediction[name] for name in ("confidence", "no_answer") if name in prediction}
