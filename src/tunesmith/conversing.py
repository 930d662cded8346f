"""A chat model in conversation: it remembers what was said, and answers in pieces as they are written."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.task import Head, RowError
from tunesmith.core.words import Say
from tunesmith.data.chat_items import fitted
from tunesmith.data.chat_turns import Turns
from tunesmith.data.messages import Message
from tunesmith.engine.precision import choose, device
from tunesmith.model.build import build
from tunesmith.model.decoding import GREEDY, Decoding
from tunesmith.model.stream import stream
from tunesmith.tuned import finished_run, is_model, of_task, tasks_of

USER, ASSISTANT, SYSTEM = "user", "assistant", "system"


@dataclass
class Conversation:
    """What was said so far, with the model that answers.

    ``room``      tokens that the model takes, the answer among them
    ``messages``  each with its ``role`` and ``content``; a system message stands first
    ``dropped``   how many messages, the oldest first, the last question left no room for
    """

    forward: Forward
    tokenizer: Any
    turns: Turns
    room: int
    decoding: Decoding = GREEDY
    messages: list[Message] = field(default_factory=list)
    dropped: int = 0

    def ask(self, text: str) -> Generator[str]:
        """The answer in pieces; joined they are the whole of it. Closing the iterator ends it: what was written till then is remembered.

        Where question and answer have no room, the oldest questions and answers are forgotten. Raises ``InputError`` for a question
        that has no room alone, and for a conversation that the chat template refuses; then nothing is remembered.
        """
        before = self.messages
        asked = [*before, {"role": USER, "content": text}]
        longest = self.room - min(self.decoding.max_new_tokens, self.room // 2)
        try:
            ids, self.dropped = fitted(asked, (), self.tokenizer, self.turns, longest)
        except RowError as error:
            raise InputError(Problem(error.message, error.remedy)) from None
        if len(ids) > longest:
            self.dropped = 0
            raise InputError(Problem(f"The question takes {len(ids):,} tokens, and there is room for {longest:,}", "Shorten it"))
        number = sum(message["role"] == USER for message in before)
        decoding = replace(self.decoding, seed=self.decoding.seed + number)  # drawn answers to the same question differ
        written: list[str] = []
        try:
            with self.forward.precision(), closing(stream(self.forward.module, self.tokenizer, ids, decoding)) as pieces:
                for piece in pieces:
                    written.append(piece)
                    yield piece
        finally:
            if answer := "".join(written).strip():
                system = len(asked) > 0 and asked[0]["role"] == SYSTEM
                kept = [*asked[:system], *asked[system + self.dropped :]]
                self.messages = [*kept, {"role": ASSISTANT, "content": answer}]

    def reset(self) -> None:
        """Forget what was said; the system message stays."""
        self.messages = [message for message in self.messages if message["role"] == SYSTEM]

    def system(self, text: str) -> None:
        """Put ``text`` in the place of the system message; an empty text takes it away."""
        said = [message for message in self.messages if message["role"] != SYSTEM]
        self.messages = [{"role": SYSTEM, "content": text}, *said] if text else said


def converse(which: str | Path, runs: str | Path = "runs", decoding: Decoding = GREEDY, say: Say | None = None) -> Conversation:
    """A conversation with the model of a run (its folder, its name in ``runs``, or ``last``), or with one in a folder, a sample or the hub.

    Raises ``InputError`` for a run that is not finished, for a model that does not write, and for one without a chat template.
    """
    spec = str(which)
    if not is_model(spec, Path(runs)):
        folder = finished_run(which, runs)
        spec = str(of_task(which, runs, "") if tasks_of(folder) else folder / "model")
    model = build(spec, Head("AutoModelForCausalLM", {}), say)
    if model.fresh:
        remedy = "Name a run of task chat, or a chat model: sample:smollm2 is a small one"
        raise InputError(Problem("the model has no head that writes", remedy, spec))
    where = device()
    forward = Forward(model.module.to(where).eval(), where, choose("auto", where))
    return Conversation(forward, model.tokenizer, Turns.of(model.tokenizer, [ASSISTANT]), model.tokenizer.model_max_length, decoding)
