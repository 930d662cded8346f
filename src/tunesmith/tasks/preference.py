"""Preference: learning which of two answers is better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row, RowError, Task
from tunesmith.data.batches import length_batches
from tunesmith.data.branches import probe
from tunesmith.data.chat_items import Form
from tunesmith.data.chat_template import give_template
from tunesmith.data.chat_turns import Turns
from tunesmith.data.encode import numbers_of
from tunesmith.data.messages import transcript
from tunesmith.data.preferences import ANSWERS, COLUMNS, content, encode_preferences, find_question, marked, pad_preferences, preference
from tunesmith.metrics.preference import gap, preferences, won
from tunesmith.model.apart import shares_rows
from tunesmith.model.decoding import Decoding
from tunesmith.model.ending import end_with, ends, is_joined
from tunesmith.model.generate import replies
from tunesmith.model.preference_losses import BESIDE_BASE, BETAS, PREFERENCE_LOSSES, SUMMED, answer_scores, gaps_now, preference_losses

POSITIONS = 8192  # in one forward pass, padding included


@dataclass
class Preference(Task):
    """Answers as people prefer them, from rows with a question, an answer that was chosen, and one that was rejected.

    Questions are read as chat reads them; an answer is a text, a message, or a conversation that ends with it. The loss is that of DPO or
    IPO, which compare with the model before tuning, or of ORPO or SimPO, which do without. Start from a model that answers already. A
    prediction has the log-likelihoods of ``chosen`` and ``rejected``, per token but for dpo; that of a row without answers is a ``text``.
    ``accuracy`` is how often the chosen answer is the likelier one; ``reward_accuracy`` how often it gained more on the base (itself 50%).
    """

    loss: str = setting("dpo", "what is learned from a pair; dpo and ipo compare with the base", choices=tuple(PREFERENCE_LOSSES))
    beta: float | None = setting(None, "weight of the comparison, not said: 0.1, simpo 2; dpo and ipo: higher stays nearer", above=0)
    margin: float = setting(1.0, "simpo: by how much the reward of the chosen answer is to be higher, above all", low=0)
    max_length: int = setting(1024, "longest question with its answer in tokens, or what the model takes; longer ones are cut", low=8)
    template: str = setting("", "chat template: jinja, turns or joined; when not said: the tokenizer's own, else one of these two by model")
    max_new_tokens: int = setting(128, "longest answer that is written, in tokens", low=1)
    written: int = setting(3, "held-out rows that are answered whenever rows are judged, so that the report shows the answers", low=0)

    offers: ClassVar[frozenset[str]] = frozenset({"text"})
    pace: ClassVar[float] = 0.1  # Rafailov et al. 2023, appendix B, take 1e-6 where Llama 2 was tuned with 2e-5
    applies: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {"margin": ("loss", ("simpo",))}

    def __post_init__(self) -> None:
        self._beta, self._per_token = self.beta or BETAS[self.loss], self.loss not in SUMMED
        self._before: dict[int, float] | None = None  # by content: how much likelier the chosen answer was when training began

    @property
    def primary(self) -> str:
        return "accuracy"

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        told = {"film": ("good", "bad"), "music": ("sad", "slow"), "plot": ("fine", "dull"), "cat": ("big", "small")}
        asked = [(f"{i} the {name} ?", *words) for i in range(3) for name, words in told.items()]
        rows = [{"prompt": question, "chosen": f"it was {one}", "rejected": f"it was {two}"} for question, one, two in asked]
        return cls(max_length=48, max_new_tokens=6), rows

    def columns(self) -> tuple[Column, ...]:
        return COLUMNS

    def learn(self, rows: Iterable[Row]) -> list[str]:
        return [f"pairs of answers to {find_question(rows)}; learned: {self.loss}, beta {self._beta:g}"]

    def read(self, row: Row) -> Row:
        return preference(row)

    def teaches(self, row: Row) -> None:
        if "chosen" not in row:
            raise RowError("there are no answers to compare", "Give both, or leave the row out", "chosen")

    def asked(self, row: Row) -> Row:
        return {role: value for role, value in row.items() if role not in ANSWERS}

    def meet(self, module: Any, tokenizer: Any) -> None:
        give_template(tokenizer, self.template, is_joined(module), ends(module, tokenizer))
        turns, room = Turns.of(tokenizer, ["assistant"], last=True), tokenizer.model_max_length
        end_with(module, tokenizer, tokenizer.convert_tokens_to_ids(turns.end()))
        self._form = Form(turns, min(self.max_length, room), room - min(self.max_new_tokens, room // 2))
        self.packed = shares_rows(module, None, self._form.limit, *probe())

    def begin(self, run: Run) -> None:
        self._before = None
        if self.loss in BESIDE_BASE:
            self._before = known = dict[int, float]()
            for order in length_batches(numbers_of(run.train, "length"), POSITIONS):
                items = [run.train[number] for number in order.tolist()]
                known.update(zip(map(content, items), gaps_now(self.collate(items, run.tokenizer), run, self._per_token), strict=True))
            run.say(f"preference: what the model says of {len(run.train):,} pairs before tuning is known now, and kept for {self.loss}")

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        return encode_preferences(rows, tokenizer, self._form)

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        return pad_preferences(features, tokenizer.pad_token_id, self.packed, self._before, self.written)

    def head(self) -> Head:
        return Head("AutoModelForCausalLM", {})

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        losses = preference_losses(batch, forward, self.loss, self._beta, self.margin)
        return Loss(losses.sum(), len(losses))

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        pairs = batch.notes["pairs"]
        told = self.decode(batch, answer_scores(batch, forward, self._per_token)) if pairs else []
        found = dict(zip(pairs, told, strict=True))
        said = replies(forward, tokenizer, batch.notes["prompts"], Decoding(self.max_new_tokens))
        return [found.get(place, {}) | ({"text": said[place]} if place in said else {}) for place in range(len(batch))]

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        return [dict(zip(ANSWERS, pair, strict=True)) for pair in output.tolist()]

    def beside(self, predictions: Sequence[Prediction], base: Sequence[Prediction]) -> list[Prediction]:
        known = self.loss in BESIDE_BASE
        return [p | ({"reward": self._beta * (gap(p) - gap(b))} if known else {}) for p, b in zip(predictions, base, strict=True)]

    def baselines(self, train: Iterable[Row], asked: Sequence[Row]) -> Mapping[str, Sequence[Prediction]]:
        sizes = [{role: len(row[role]["content"]) for role in ANSWERS} for row in asked]
        return {"longer_answer": [{role: float(size == max(of.values())) for role, size in of.items()} for of in sizes]}

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        rewards = [p["reward"] for p in predictions if "reward" in p]
        return preferences(list(map(gap, predictions))) | (preferences(rewards, "reward_") if rewards else {})

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        return [won(gap(p)) for p in predictions]

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        found = {"text": transcript(row["messages"])}
        if "chosen" not in row:
            return found | {"predicted": prediction["text"]}
        likelier = transcript([row[max(ANSWERS, key=lambda role: prediction[role])]])
        return found | {"predicted": likelier, "truth": transcript([row["chosen"]])} | {"written": prediction.get("text", "")}

    def preview(self, item: Row, tokenizer: Any) -> list[tuple[str, bool]]:
        return marked(item, tokenizer)
