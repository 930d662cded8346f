"""OpenAI's form of chat: what is read of a request, and how an answer is written."""

from __future__ import annotations

import json

from tunesmith.completions import decoding_of, events, whole


def test_how_an_answer_is_written() -> None:
    found = decoding_of({"messages": [], "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "stop": "\n", "seed": None})
    assert (found.max_new_tokens, found.temperature, found.top_p, found.stop, found.seed) == (7, 0.5, 0.9, ("\n",), 0)
    assert decoding_of({}).max_new_tokens == 256


def test_an_answer_is_the_same_whole_and_in_events() -> None:
    *parts, last = [event.removeprefix("data: ").strip() for event in events("talk", " It", iter([" is", " fine."]))]
    choices = [json.loads(part)["choices"][0] for part in parts]
    assert (last, choices[0]["delta"]["role"], choices[-1]["finish_reason"]) == ("[DONE]", "assistant", "stop")
    (choice,) = whole("talk", " It is fine.")["choices"]
    assert "".join(one["delta"].get("content", "") for one in choices).strip() == choice["message"]["content"] == "It is fine."
