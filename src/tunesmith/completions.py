"""OpenAI's form of chat: what a request for an answer says, and the documents that hold the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tunesmith.conversing import ASSISTANT, USER
from tunesmith.core.errors import InputError, Problem
from tunesmith.model.decoding import Decoding
from tunesmith.recipes.find import did_you_mean

MOST_TOKENS = 4_096  # of one answer
# what a request for an answer may say -> the field of ``Decoding``, where it is one
CHAT_KEYS = {
    **dict.fromkeys(("messages", "stream", "model", "user"), ""),
    **dict.fromkeys(("max_tokens", "max_completion_tokens"), "max_new_tokens"),
    **{name: name for name in ("temperature", "top_p", "seed", "stop")},
}


def conversation_of(asked: Mapping[str, Any]) -> list[dict[str, str]]:
    """The messages of a request, of which the last is the question."""
    messages = asked.get("messages")
    if not isinstance(messages, list) or not messages or not all(is_message(message) for message in messages):
        raise InputError(Problem("there are no messages", 'Send {"messages": [{"role": "user", "content": "..."}]}'))
    if messages[-1]["role"] != USER:
        raise InputError(Problem(f"the last message is of the {messages[-1]['role']}", "End with one of the user, which is answered"))
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def is_message(message: Any) -> bool:
    return isinstance(message, Mapping) and all(isinstance(message.get(key), str) for key in ("role", "content"))


def decoding_of(asked: Mapping[str, Any]) -> Decoding:
    """How the answer is written. Raises ``InputError`` with every key that is not known and every value that cannot be."""
    problems = [Problem(f"'{key}' is not read", did_you_mean(key, list(CHAT_KEYS))) for key in asked if key not in CHAT_KEYS]
    given = {CHAT_KEYS[key]: value for key, value in asked.items() if CHAT_KEYS.get(key) and value is not None}
    numbers = {
        "max_new_tokens": (int, 1, MOST_TOKENS),
        "temperature": (int | float, 0, 100),
        "top_p": (int | float, 1e-6, 1),
        "seed": (int, 0, 2**63 - 1),
    }
    for name, (kind, low, high) in numbers.items():
        value = given.get(name, low)
        if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
            problems.append(Problem(f"{name} is {json.dumps(value)}", f"Send a number from {low} to {high}"))
    stop = given.get("stop", [])
    given["stop"] = tuple([stop] if isinstance(stop, str) else stop if isinstance(stop, list) else [None])
    if not all(isinstance(text, str) and text for text in given["stop"]):
        problems.append(Problem("stop is no text and no list of texts", "Send a text before which the answer ends"))
    if problems:
        raise InputError(*problems)
    return Decoding(**{"max_new_tokens": 256, **given})


def head(name: str, kind: str) -> dict[str, Any]:
    """What every document of a conversation begins with."""
    now = time.time_ns()
    return {"id": f"chat-{now}", "object": kind, "created": now // 10**9, "model": name}


def whole(name: str, text: str) -> dict[str, Any]:
    """An answer in one piece."""
    choice = {"index": 0, "message": {"role": ASSISTANT, "content": text.strip()}, "finish_reason": "stop"}
    return {**head(name, "chat.completion"), "choices": [choice]}


def events(name: str, first: str, rest: Iterator[str]) -> Iterator[str]:
    """The pieces of an answer as server-sent events."""
    about = head(name, "chat.completion.chunk")

    def event(delta: Mapping[str, str], reason: str | None) -> str:
        return f"data: {json.dumps({**about, 'choices': [{'index': 0, 'delta': delta, 'finish_reason': reason}]})}\n\n"

    yield event({"role": ASSISTANT, "content": first}, None)
    for piece in rest:
        yield event({"content": piece}, None)
    yield event({}, "stop")
    yield "data: [DONE]\n\n"
