"""Sequence to sequence: a text for a text, by summarising, translating or answering."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F

from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row, RowError, Statistic, Task
from tunesmith.data.packing import probe
from tunesmith.data.pairs import Form, encode_pairs, pad_pairs
from tunesmith.data.prompting import check_columns, check_template, placeholders, usual_template
from tunesmith.data.references import check_variety, first_of, kind_of, matching, references, simplest
from tunesmith.data.text import check_text
from tunesmith.metrics.generation import BY_KIND, BY_TEXT, by_row, over, scores
from tunesmith.model.apart import shares_rows
from tunesmith.model.decoding import Decoding
from tunesmith.model.generate import generate, texts
from tunesmith.model.labelled import labelled_logits
from tunesmith.model.translation import NAMED, check_two, languages_for, tell

BESIDE = {"context": ("passage", "paragraph"), "target_language": ("tgt_lang", "target_lang", "to_language")}  # beside the source


@dataclass
class SequenceToSequence(Task):
    """Writes a text for a text: a summary, a translation, or the answer to a question.

    The loss is the cross-entropy of the target's tokens and of its end. An encoder-decoder (T5, BART, Marian, NLLB, or ``model: {encoder:
    ..., decoder: ...}``) reads the source; a decoder (GPT-2, Llama, Qwen) goes on after a template that holds it. Where a row has several
    targets, the first is learned and each counts as right. A prediction has the ``text``. ROUGE, F1 and exact match count words, or
    characters where words have no spaces; BLEU of Chinese is tokenised by sacrebleu's ``zh``.
    """

    kind: str = setting("auto", "what is written; auto: by the lengths and words of texts", choices=("auto", *BY_KIND))
    template: str = setting("", "the source in what the model is given, 'summarize: {source}' for T5; {context} and {target_language} too")
    chat: bool | None = setting(None, "decoders: whether a chat template goes around the template; when not said: if the model has one")
    languages: list[str] = setting(factory=list, text=f"for models of many languages: that of the source and that of the target, {NAMED}")
    max_source_length: int = setting(512, "longest source in tokens, template included; the end of longer ones is cut and counted", low=8)
    max_target_length: int = setting(128, "longest target in tokens, in learning and in writing", low=2)
    metric: str = setting("auto", "the metric that decides; auto: rouge_l, chrf or f1 by kind", choices=("auto", *BY_TEXT))
    num_beams: int = setting(1, "texts kept in a beam search; 1 takes the likeliest token each time", low=1)
    length_penalty: float = setting(1.0, "beam search: exponent of the length that scores are divided by; higher means longer")
    repetition_penalty: float = setting(1.0, "what the logits of written tokens are divided by; 1 changes nothing", above=0)
    no_repeat_ngram: int = setting(0, "number of tokens in a row that are never written twice; 0 for none", low=0)

    offers: ClassVar[frozenset[str]] = frozenset({"logits", "text", "writing"})

    def __post_init__(self) -> None:
        check_template(self.template, "source", tuple(BESIDE))
        check_two(self.languages, "task.languages")
        _ = self.decoding  # which refuses what does not go together

    @property
    def decoding(self) -> Decoding:
        same = ("num_beams", "length_penalty", "repetition_penalty", "no_repeat_ngram")
        return Decoding(self.max_target_length, **{name: getattr(self, name) for name in same})

    @property
    def primary(self) -> str:
        return BY_KIND.get(self.kind, BY_KIND["summary"])[0] if self.metric == "auto" else self.metric

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        told = {"film": "good", "music": "sad", "plot": "dull", "cat": "slow"}
        rows = [{"source": f"{i} the {name} was {word} , yes", "target": f"{word} {name}"} for i in range(3) for name, word in told.items()]
        return cls(max_source_length=16, max_target_length=4), rows

    def columns(self) -> tuple[Column, ...]:
        source = ("document", "article", "dialogue", "text", "question", "input", "src", "prompt", "instruction", "english", "en")
        target = ("summary", "highlights", "synopsis", "abstract", "headline", "translation", "answers", "answer", "references", "output")
        return (
            Column("source", (*source, "source")),  # last: beside another of these it says where rows come from
            *(Column(role, also, required=False, usual="..." if f"{{{role}}}" in self.template else None) for role, also in BESIDE.items()),
            Column("target", (*target, "tgt", "response", "completion", "fr", "de", "es", "it", "pt", "ru", "ja", "zh"), truth=True),
        )

    def learn(self, rows: Iterable[Row]) -> list[str]:
        known = list(rows)
        check_columns(self.template, known[0])
        sources = [str(row["source"]) for row in known]
        check_variety(sources)
        kind, why = kind_of(sources, [first_of(row["target"]) for row in known])
        self.kind = kind if self.kind == "auto" else self.kind
        return [f"kind: {self.kind}, judged by {self.primary}; {why}"]

    def read(self, row: Row) -> Row:
        check_text(row["source"], "source")
        if absent := [name for name in placeholders(self.template) if name not in row]:
            raise RowError(f"the template needs the {absent[0]}", "Say which column it is: data.columns", absent[0])
        found = {role: str(row[role] or "") for role in ("source", *BESIDE) if role in row}
        return found | ({"target": references(row["target"], "target")} if "target" in row else {})

    def meet(self, module: Any, tokenizer: Any) -> None:
        self._told = languages_for(tokenizer, self.languages, "task.languages")
        tell(module, tokenizer, self._told)
        self._form = form = Form.of(module, tokenizer, self.chat, self.max_source_length, self.max_target_length)
        self.packed = not form.encoder_decoder and shares_rows(module, None, form.max_source + form.max_target, *probe())

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        targets = [row["target"][0] for row in rows] if "target" in rows[0] else None
        beside = [name for name in BESIDE if name in rows[0] and not (name == "target_language" and self._told)]
        return encode_pairs(rows, targets, self.template or usual_template(self.kind, self._form.template, beside), tokenizer, self._form)

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        inputs, targets, tokens = pad_pairs(features, self._form, tokenizer.pad_token_id, self.packed)
        rows, prompts = torch.tensor([item["row"] for item in features]), [list(item["input_ids"]) for item in features]
        return Batch(inputs, targets, rows, tokens, {"prompts": prompts})

    def head(self) -> Head:
        return Head("AutoModelForSeq2SeqLM", {}, otherwise=("AutoModelForCausalLM",))

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        logits, targets = labelled_logits(batch, forward)  # (tokens, vocabulary), (tokens,)
        return Loss(F.cross_entropy(logits, targets, reduction="sum"), len(targets), logits, targets)

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        tell(forward.module, tokenizer, self._told)  # tasks that share a model may have told it otherwise
        with forward.precision():
            return self.decode(batch, texts(tokenizer, generate(forward.module, tokenizer, batch.notes["prompts"], self.decoding)))

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        return [{"text": text.strip()} for text in output]

    def baselines(self, train: Iterable[Row], asked: Sequence[Row]) -> Mapping[str, Sequence[Prediction]]:
        name, answers = simplest(self.kind, [row["source"] for row in asked], [row["target"][0] for row in train])
        return {name: [{"text": text} for text in answers]}

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        return scores((self.primary, *BY_KIND[self.kind]), [p["text"] for p in predictions], [row["target"] for row in truths])

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        return by_row(self.primary, [p["text"] for p in predictions], [row["target"] for row in truths])

    def over(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> Statistic | None:
        return over(self.primary, [p["text"] for p in predictions], [row["target"] for row in truths])

    def exchange(self, row: Row) -> tuple[str, str]:
        return row["source"], next(iter(row.get("target", [])), "")

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        found = {"text": row["source"], "predicted": prediction["text"]} | {role: row[role] for role in BESIDE if role in row}
        return found | ({"truth": matching(prediction["text"], row["target"])} if "target" in row else {})
