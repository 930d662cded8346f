"""Chat: supervised fine-tuning on conversations, in the tokenizer's own chat template."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch

from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row, RowError, Statistic, Task
from tunesmith.data.chat_items import Form, encode_conversations, marked, pad_conversations, prompt_of
from tunesmith.data.chat_template import give_template
from tunesmith.data.chat_turns import Turns
from tunesmith.data.messages import COLUMNS, conversation, find_form, transcript, without_answer
from tunesmith.data.packing import by_text, probe
from tunesmith.metrics.likelihood import SUMS, likelihood, likelihood_over
from tunesmith.model.apart import ALONE, shares_rows
from tunesmith.model.decoding import Decoding
from tunesmith.model.ending import end_with, ends, is_joined
from tunesmith.model.generate import generate, texts
from tunesmith.model.labelled import labelled_logits
from tunesmith.model.token_loss import token_losses

ROLES = ("assistant", "user", "system", "tool")


@dataclass
class Chat(Task):
    """Answers in conversations of several turns, as those in the data do.

    Rows hold messages (role and content, or from and value), instruction, input and output, or prompt and completion. The loss is the
    cross-entropy of what the assistant says, at every turn, and of the token that ends it; what others say is read and not learned. Where
    that saves padding, short conversations share a row of the batch without seeing each other. A tokenizer without a chat template is
    given one, which is saved with it. The prediction of a row that ends with a question is the ``text`` of its answer; that of a row with
    the answer is its summed ``loss`` and how many of its ``tokens`` were the likeliest.
    """

    roles: list[str] = setting(text="whose turns are learned: assistant, user, system, tool", factory=lambda: ["assistant"], choices=ROLES)
    turns: str = setting("all", "which of these turns: all, or the last of a conversation alone", choices=("all", "last"))
    max_length: int = setting(1024, "longest conversation in tokens, or what the model takes; longer ones end turns earlier", low=8)
    pack: bool | None = setting(None, "whether short ones share a row of the batch; when not said: if the model keeps them apart")
    template: str = setting("", "chat template: jinja, turns or joined; when not said: the tokenizer's own, else one of these two by model")
    max_new_tokens: int = setting(128, "longest answer that is written, in tokens", low=1)
    written: int = setting(3, "held-out rows that are answered whenever rows are judged, so that the report shows the answers", low=0)
    metric: str = setting("perplexity", "the metric that decides", choices=("perplexity", "loss", "token_accuracy"))

    offers: ClassVar[frozenset[str]] = frozenset({"logits", "text", "writing", "perplexity"})

    @property
    def primary(self) -> str:
        return self.metric

    @property
    def higher_is_better(self) -> bool:
        return self.metric == "token_accuracy"

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        told = {"film": "good", "music": "sad", "plot": "dull", "cat": "slow"}
        rows = [{"prompt": f"{i} the {name} ?", "completion": f"the {name} was {word}"} for i in range(3) for name, word in told.items()]
        return cls(max_length=48, max_new_tokens=6), rows

    def columns(self) -> tuple[Column, ...]:
        return COLUMNS

    def learn(self, rows: Iterable[Row]) -> list[str]:
        which = "the last turn" if self.turns == "last" else "turns"
        return [f"conversations: {find_form(list(rows))}; learned: {which} of the {' and the '.join(self.roles)}"]

    def read(self, row: Row) -> Row:
        found = conversation(row)
        return found | {"asked": not any(turn["role"] in self.roles and turn.get("weight") != 0 for turn in found["messages"])}

    def teaches(self, row: Row) -> None:
        if row["asked"]:
            message = f"there is nothing to learn: no turn of the {' or the '.join(self.roles)}"
            raise RowError(message, "Add an answer, or leave the row out", "messages")

    def asked(self, row: Row) -> Row:
        return row | {"messages": without_answer(row["messages"]), "asked": True}

    def meet(self, module: Any, tokenizer: Any) -> list[str]:
        give_template(tokenizer, self.template, is_joined(module), ends(module, tokenizer))
        turns, room = Turns.of(tokenizer, self.roles, self.turns == "last"), tokenizer.model_max_length
        end_with(module, tokenizer, tokenizer.convert_tokens_to_ids(turns.end()))
        self._form = Form(turns, min(self.max_length, room), room - min(self.max_new_tokens, room // 2))
        self.packed = shares_rows(module, self.pack, self._form.limit, *probe())
        return [] if self.packed or self.pack is False else [ALONE]

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        return encode_conversations(rows, tokenizer, self._form)

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        packed = pad_conversations(features, tokenizer.pad_token_id, self.packed)
        prompts = [prompt_of(item) if item["row"] < self.written or not item["labels"] else [] for item in features]
        rows, tokens = torch.tensor([item["row"] for item in features]), sum(item["length"] for item in features)
        return Batch(packed.inputs, {"labels": packed.labels}, rows, tokens, {"prompts": prompts, "places": packed.places})

    def head(self) -> Head:
        return Head("AutoModelForCausalLM", {})

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        logits, targets = labelled_logits(batch, forward)  # (tokens, vocabulary), (tokens,)
        return Loss(token_losses(logits, targets).sum(), len(targets), logits, targets)

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        found = self._likelihoods(batch, forward)
        if asked := {row: prompt for row, prompt in enumerate(batch.notes["prompts"]) if prompt}:
            with forward.precision():
                written = generate(forward.module, tokenizer, list(asked.values()), Decoding(self.max_new_tokens))
            for row, prediction in zip(asked, self.decode(batch, texts(tokenizer, written)), strict=True):
                found[row] = prediction | found[row]
        return found

    def _likelihoods(self, batch: Batch, forward: Forward) -> list[Prediction]:
        """How likely the tokens to be learned are, row by row; nothing for rows without any."""
        if not (batch.targets["labels"] >= 0).any():
            return [{} for _ in batch.rows]
        logits, targets = labelled_logits(batch, forward)
        found = by_text(batch.notes["places"], batch.targets["labels"], token_losses(logits, targets), logits.argmax(dim=1) == targets)
        return [told if told["tokens"] else {} for told in found]

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        return [{"text": text.strip()} for text in output]

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        return dict(likelihood(*([p[name] for p in predictions] for name in SUMS)))

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        return [p["right"] / p["tokens"] for p in predictions]

    def over(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> Statistic | None:
        return likelihood_over(self.primary, *([p[name] for p in predictions] for name in SUMS))

    def exchange(self, row: Row) -> tuple[str, str]:
        return transcript(without_answer(row["messages"])), "" if row["asked"] else str(row["messages"][-1].get("content") or "")

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        found: Row = {"text": transcript(without_answer(row["messages"]))}
        judged = {"loss": prediction["loss"] / prediction["tokens"], "tokens": prediction["tokens"]} if "tokens" in prediction else {}
        found["predicted"] = prediction.get("text", f"(not written; {prediction.get('right')} tokens were the likeliest)")
        return found | ({} if row["asked"] else {"truth": transcript(row["messages"][-1:]), **judged})

    def preview(self, item: Row, tokenizer: Any) -> list[tuple[str, bool]]:
        return marked(item, tokenizer)
