"""Conversations, read from packages of one."""

from __future__ import annotations

import json

from samples.packs import Pack, everything
from tunesmith.samples import dialogues


def test_calls_of_tools_become_messages(sdist: Pack) -> None:
    turns = [("human", "Hi"), ("function_call", '{"name": "f", "arguments": {"x": "é"}}'), ("observation", "{}"), ("gpt", "Done")]
    row = {"conversations": [{"from": who, "value": text} for who, text in turns], "tools": '[{"name": "f"}]'}
    (found,) = everything(dialogues.tool_calls(sdist({"l/data/glaive_toolcall_en_demo.json": json.dumps([row])})))
    assert [message["role"] for message in found["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert found["messages"][1]["tool_calls"] == [{"type": "function", "function": {"name": "f", "arguments": '{"x": "é"}'}}]
    assert found["tools"] == '[{"name": "f"}]'


def test_preferences_have_a_prompt_and_two_replies(sdist: Pack) -> None:
    row = {"conversations": [{"from": "human", "value": "Hi"}]} | {
        key: {"from": "gpt", "value": text} for key, text in (("chosen", "Hello"), ("rejected", "What"))
    }
    (found,) = everything(dialogues.preferences(sdist({"l/data/dpo_en_demo.json": json.dumps([row])})))
    assert found == {
        "prompt": [{"role": "user", "content": "Hi"}],
        "chosen": [{"role": "assistant", "content": "Hello"}],
        "rejected": [{"role": "assistant", "content": "What"}],
    }
