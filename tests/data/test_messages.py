"""Conversations as rows hold them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.task import RowError
from tunesmith.data.messages import conversation, find_form, transcript, without_answer, without_oldest

USER, ASSISTANT = {"role": "user", "content": "你好"}, {"role": "assistant", "content": "hello"}
SYSTEM = {"role": "system", "content": "be kind"}
TOOLS = [{"type": "function", "function": {"name": "add"}}]
CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [USER, ASSISTANT]},
        {"messages": json.dumps([USER, ASSISTANT])},
        {"messages": [{"from": "human", "value": "你好", "content": None}, {"from": "gpt", "value": "hello"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "你"}, {"type": "text", "text": "好"}]}, ASSISTANT]},
        {"prompt": "你好", "completion": "hello"},
        {"prompt": "你好", "input": "", "system": None, "history": [], "completion": "hello"},
        {"prompt": [USER], "completion": [ASSISTANT]},
        {"prompt": [USER], "completion": "hello"},
    ],
)
def test_every_form_is_one(row: dict[str, Any]) -> None:
    assert conversation(row) == {"messages": [USER, ASSISTANT], "tools": []}


def test_what_stands_beside() -> None:
    row = {
        "system": "be kind",
        "history": [["你好", "hello"]],
        "prompt": "one",
        "input": "two",
        "completion": "three",
        "tools": json.dumps(TOOLS),
    }
    found = conversation(row)
    assert found["messages"] == [
        SYSTEM,
        USER,
        ASSISTANT,
        {"role": "user", "content": "one\n\ntwo"},
        {"role": "assistant", "content": "three"},
    ]
    assert found["tools"] == TOOLS
    assert conversation({"system": "be kind", "messages": [USER, ASSISTANT]})["messages"] == [SYSTEM, USER, ASSISTANT]


def test_calls_of_tools() -> None:
    by_name = {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 1}}'}
    as_text = {"role": "assistant", "content": None, "tool_calls": [{**CALL, "function": {"name": "add", "arguments": '{"a": 1}'}}]}
    for called in (by_name, as_text):
        found = conversation({"messages": [USER, called, {"role": "observation", "content": ""}, ASSISTANT]})["messages"]
        assert found[1] == {"role": "assistant", "content": "", "tool_calls": [CALL]}
        assert found[2] == {"role": "tool", "content": ""}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"messages": [USER, USER, ASSISTANT]}, "turn 2 is of the user and follows one of the user"),
        ({"messages": [USER, ASSISTANT, ASSISTANT]}, "turn 3 is of the assistant"),
        ({"messages": [USER, SYSTEM, ASSISTANT]}, "turn 2 is of the system"),
        ({"messages": [{"role": "tool", "content": "1"}, ASSISTANT]}, "turn 1 is of the tool and is the first"),
        ({"messages": [USER, {"role": "judge", "content": "x"}]}, "turn 2 has the role 'judge'"),
        ({"messages": [USER, {"content": "x"}]}, "turn 2 has no role"),
        ({"messages": [USER, {"role": "assistant", "content": " "}]}, "turn 2, of the assistant, is empty"),
        ({"messages": [{"role": "user", "content": 3}, ASSISTANT]}, "turn 1 holds 3, which is no text"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "url": "x"}]}, ASSISTANT]}, "turn 1 holds 'image'"),
        ({"messages": [ASSISTANT]}, "no turn is of the user"),
        ({"messages": []}, "no list of messages"),
        ({"messages": "hello"}, "is no JSON"),
        ({"messages": ["hello"]}, "turn 1 is 'hello'"),
        ({"prompt": "one", "completion": ""}, "the completion is empty"),
        ({"prompt": " ", "completion": "x"}, "the prompt is empty"),
        ({"prompt": "one", "history": ["two"], "completion": "x"}, "the history has 'two'"),
        ({"prompt": "one", "completion": "x", "tools": [3]}, "the tools are"),
        ({"messages": [USER, {"from": "function_call", "value": "add"}]}, "is no JSON"),
    ],
)
def test_what_is_no_conversation_is_said_with_its_turn(row: dict[str, Any], said: str) -> None:
    with pytest.raises(RowError) as caught:
        conversation(row)
    assert said in caught.value.message
    assert caught.value.remedy


def test_what_is_asked_and_what_is_forgotten() -> None:
    said = [SYSTEM, USER, ASSISTANT, USER, ASSISTANT]
    assert without_answer(said) == said[:4]
    assert without_oldest(said) == [SYSTEM, USER, ASSISTANT]
    assert without_oldest([SYSTEM, USER, ASSISTANT]) is None


def test_for_people() -> None:
    assert transcript([USER]) == "你好"
    assert transcript([SYSTEM, USER]) == "System: be kind\nUser: 你好"
    assert "add" in transcript([{"role": "assistant", "content": "", "tool_calls": [CALL]}])


def test_the_form_is_found() -> None:
    assert (
        find_form([{"messages": [USER], "tools": []}, {"messages": [USER], "tools": TOOLS}]) == "messages (role and content), 1 with tools"
    )
    assert find_form([{"messages": "[]"}]) == "messages (in JSON)"
    assert find_form([{"prompt": "a", "input": "b", "completion": "c"}]) == "prompt and input and completion"
    with pytest.raises(InputError, match="no column is known as the messages, nor as a prompt"):
        find_form([{"system": "a"}])
    with pytest.raises(InputError, match="no column is known as the completion"):
        find_form([{"prompt": "a"}])
