"""Multiple choice: which of several texts is the right answer to a question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.run import seed_of
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row, Task
from tunesmith.data.branches import probe
from tunesmith.data.choice_items import chosen, encode_choices, encode_continuations, likelihoods, pad_choices
from tunesmith.data.choices import SINGLE, choices_of, learn_answers, letter, position
from tunesmith.data.prompting import check_template
from tunesmith.data.sequences import in_rows
from tunesmith.data.text import check_text
from tunesmith.metrics.kinds import means_by_kind
from tunesmith.model.apart import shares_rows
from tunesmith.model.labelled import labelled_logits

TEMPLATE = "{context}Question: {question}\nAnswer:"


@dataclass
class MultipleChoice(Task):
    """Finds the right one of several choices for a question, with or without a text that it is about.

    An encoder scores each choice behind its question. A decoder scores it by its log-likelihood after the question, divided by its
    length (Brown et al. 2020, section 2.4). The loss is the cross-entropy over the choices of a row, two or more. A prediction has the
    ``index`` of a choice from 0, its ``letter``, its text as ``choice``, its ``confidence``, and the ``probabilities`` of all choices.
    """

    answers: str = setting("auto", "how right choices are given; auto: as fits most rows", choices=("auto", "text", "letter", "number"))
    first: int | None = setting(None, "answers as numbers: that of the first choice; found in the rows when not said", low=0, high=1)
    separator: str = setting("|", "what parts the choices in one cell, as in a|b; a list is several choices too")
    max_length: int = setting(256, "longest question with a choice in tokens, or what the model takes if less; longer ones are cut", low=16)
    template: str = setting("", "decoders: what stands before a choice; when not said: 'Question: {question}\\nAnswer:' behind {context}")
    normalise: str = setting("tokens", "decoders: what log-likelihoods are divided by", choices=("tokens", "characters", "none"))

    applies: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {"first": ("answers", ("auto", "number"))}

    def __post_init__(self) -> None:
        check_template(self.template, "question", ("context",))
        self._decodes = False  # whether the model that was met is a decoder
        self._ragged = False  # whether the training rows have different numbers of choices

    @property
    def offers(self) -> frozenset[str]:  # type: ignore[override]
        """Scores of choices that are not there are -inf: no strategy may take their mean."""
        return frozenset({"text", "logits of whole rows"} if self._ragged else {"text", "logits", "logits of whole rows"})

    @property
    def primary(self) -> str:
        return "accuracy"

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        pairs = [["good", "bad"], ["wonderful", "dull"], ["fine", "poor"], ["best", "worst"]]
        asked = [(number, pair[:: 1 - 2 * (number % 2)]) for number in range(4) for pair in pairs]  # the right one is second in every other
        return cls(max_length=16), [{"question": f"{n} was the film", "choices": pair, "answer": n % 2} for n, pair in asked]

    def columns(self) -> tuple[Column, ...]:
        asked = ("query", "stem", "prompt", "problem", "goal", "startphrase", "ctx", "sentence", "text")
        right = ("label", "answer_key", "correct", "correct_answer", "correct_option", "right", "gold", "target", "cop")
        return (
            Column("question", asked),
            Column("context", ("passage", "article", "premise", "background", "story", "paragraph"), required=False),
            Column("choices", ("options", "endings", "candidates"), required=False, separator=self.separator, usual=["...", "..."]),
            *SINGLE,
            Column("answer", right, truth=True),
        )

    def learn(self, rows: Iterable[Row]) -> list[str]:
        self.answers, self.first, sizes, told = learn_answers(rows, self.answers, self.first)
        self._ragged = len(sizes) > 1
        return told

    def read(self, row: Row) -> Row:
        check_text(row["question"], "question")
        texts, labels = choices_of(row)
        found: Row = {"question": row["question"], "choices": texts} | ({"context": row["context"]} if row.get("context") else {})
        return found | ({"answer": position(row["answer"], texts, labels, self.answers, self.first or 0)} if "answer" in row else {})

    def meet(self, module: Any, tokenizer: Any) -> None:
        from transformers.models.auto.modeling_auto import MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES as ENCODERS

        self._decodes = module.config.model_type not in ENCODERS
        if not self._decodes and (self.template or self.normalise != "tokens"):
            message = f"task.template and task.normalise are for decoders, which {module.config.model_type} models are not"
            raise InputError(Problem(message, "Take them out"))
        self.packed = self._decodes and shares_rows(module, None, self.max_length, *probe())

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        if self._decodes:
            return encode_continuations(rows, self.template or TEMPLATE, tokenizer, self.max_length, self.normalise)
        return encode_choices(rows, tokenizer, self.max_length)

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        inputs, targets, tokens, texts = pad_choices(features, tokenizer, self.packed)
        return Batch(inputs, targets, torch.tensor([item["row"] for item in features]), tokens, {"choices": texts})

    def head(self) -> Head:
        return Head("AutoModelForMultipleChoice", {}, otherwise=("AutoModelForCausalLM",))

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        scores, right = self._scores(batch, forward), batch.targets["answer"]
        return Loss(F.cross_entropy(scores, right, reduction="sum"), len(batch), scores, right)

    def _scores(self, batch: Batch, forward: Forward) -> Tensor:
        """The scores of all choices, (batch, most choices); -inf where a row has fewer."""
        scores = likelihoods(*labelled_logits(batch, forward), batch.targets) if self._decodes else forward(batch).logits.float().flatten()
        return in_rows(scores, [len(texts) for texts in batch.notes["choices"]])

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        return self.decode(batch, self._scores(batch.to(forward.device), forward))

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        rows = zip(batch.notes["choices"], output.softmax(dim=1).tolist(), strict=True)
        return [chosen(chances[: len(texts)], texts) for texts, chances in rows]

    def baselines(self, train: Iterable[Row], asked: Sequence[Row]) -> Mapping[str, Sequence[Prediction]]:
        counts = Counter(row["answer"] for row in train)
        scores = {
            "most_frequent_position": [[counts[number] for number in range(len(row["choices"]))] for row in asked],
            "random_choice": [[seed_of(row["question"], choice) for choice in row["choices"]] for row in asked],
            "longest_choice": [list(map(len, row["choices"])) for row in asked],
        }
        return {name: [chosen(given, row["choices"]) for given, row in zip(of, asked, strict=True)] for name, of in scores.items()}

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        return means_by_kind({"accuracy": self.correct(predictions, truths)}, [f"{len(row['choices'])} choices" for row in truths])

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        return [float(p["index"] == row["answer"]) for p, row in zip(predictions, truths, strict=True)]

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        listed = "  ".join(f"{letter(number)}. {choice}" for number, choice in enumerate(row["choices"]))
        truth = {"truth": row["choices"][row["answer"]]} if "answer" in row else {}
        more: Row = {name: part[name] for part in (row, prediction) for name in ("context", "confidence") if name in part}
        return {"text": row["question"], "predicted": prediction["choice"], **truth, "choices": listed, **more}
