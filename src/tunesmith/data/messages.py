"""Conversations as rows hold them, in any of the usual forms, as one list of messages; and what may follow what in it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Column, Row, RowError

Message = dict[str, Any]

ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter", "customer"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "chatgpt", "chatbot", "bing", "bard", "claude"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "ipython", "tool_response", "function_response"), "tool"),
}
FOLLOWS = {  # what may stand behind a turn; an empty name is the beginning
    "": ("system", "user", "assistant"),
    "system": ("user", "assistant"),
    "user": ("assistant",),
    "assistant": ("user", "tool"),
    "tool": ("tool", "assistant"),
}
COLUMNS = (
    Column("messages", ("conversations", "conversation", "dialogue", "dialog", "chat", "turns"), required=False),
    Column("prompt", ("instruction", "user"), required=False, usual="..."),
    Column("input", ("inputs",), required=False, blank=True),
    Column("system", ("system_prompt", "system_message"), required=False, blank=True),
    Column("history", ("past",), required=False, blank=True),
    Column("tools", ("functions",), required=False, blank=True),
    Column("completion", ("output", "response", "assistant"), required=False, truth=True),
)
# Names of the keys of a message, best first.
_ROLE, _CONTENT = ("role", "from", "speaker"), ("content", "value", "text")
_KEPT = ("tool_calls", "tool_call_id", "name", "reasoning_content", "weight")  # beside the role and the content
_SHOWN = 60  # characters of a value in a message


def conversation(row: Mapping[str, Any]) -> Row:
    """The ``messages`` of a row by role, each with its ``role`` and ``content``, and its ``tools`` where it has some.

    They are listed under ``messages`` (role and content, or from and value), or stand apart: ``system``, ``history`` (pairs of what
    was asked and answered), ``prompt``, ``input`` below it, and ``completion``. Raises ``RowError`` with the number of the turn.
    """
    found = _listed(row) if row.get("messages") is not None else _apart(row)
    check_order(found)
    if not any(message["role"] == "user" for message in found):
        raise RowError("no turn is of the user", "Add a question, or leave the row out", "messages")
    tools = row.get("tools")
    tools = _of_json(tools, "tools") if isinstance(tools, str) and tools.strip() else tools
    if tools and not (isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)):
        raise RowError(f"the tools are {_short(tools)}, and no list of descriptions", "Give a JSON list of objects", "tools")
    return {"messages": found, "tools": tools or []}


def check_order(messages: Sequence[Message]) -> None:
    """Raise ``RowError`` where turns do not follow each other as in a conversation: the user's and the assistant's in turn."""
    before = ""
    for number, message in enumerate(messages, 1):
        role = message["role"]
        if role not in FOLLOWS[before]:
            place = f"follows one of the {before}" if before else "is the first"
            remedy = f"Here may stand {' or '.join(FOLLOWS[before])}: join turns of one side, or leave the row out"
            raise RowError(f"turn {number} is of the {role} and {place}", remedy, "messages")
        before = role


def find_form(rows: Sequence[Mapping[str, Any]]) -> str:
    """In which form rows hold conversations, in words for the user. Raises ``InputError`` where there is none."""
    first = rows[0]
    if "messages" not in first and ("prompt" not in first or not ("completion" in first or isinstance(first["prompt"], list))):
        lacking = "completion" if "prompt" in first else "messages, nor as a prompt"
        remedy = "Say which it is, data.columns: {messages: ...}, or {prompt: ..., completion: ...}"
        raise InputError(Problem(f"no column is known as the {lacking}", remedy))
    form = " and ".join(role for role in ("system", "history", "prompt", "input", "completion") if role in first)
    if "messages" in first:
        turns = next((row["messages"] for row in rows if isinstance(row["messages"], list) and row["messages"]), [""])
        form = f"messages ({' and '.join(map(str, turns[0])) if isinstance(turns[0], Mapping) else 'in JSON'})"
    tools = sum(bool(row.get("tools")) for row in rows)
    return form + (f", {tools:,} with tools" if tools else "")


def transcript(messages: Sequence[Message]) -> str:
    """Messages for people: one alone as it is, else each behind the name of who says it."""
    said = [(turn["role"], turn["content"] or json.dumps(turn.get("tool_calls", ""), ensure_ascii=False)) for turn in messages]
    return said[0][1] if len(said) == 1 else "\n".join(f"{role.capitalize()}: {text}" for role, text in said)


def without_answer(messages: Sequence[Message]) -> list[Message]:
    """The messages up to the last of the user, or of a tool: what is to be answered."""
    end = len(messages)
    while end and messages[end - 1]["role"] == "assistant":
        end -= 1
    return list(messages[:end])


def without_oldest(messages: Sequence[Message]) -> list[Message] | None:
    """The messages without the oldest question and all that answered it; the system's stays. None where no later question is left."""
    start = next((place for place, message in enumerate(messages) if message["role"] != "system"), len(messages))
    later = (place for place in range(start + 1, len(messages)) if messages[place]["role"] == "user")
    following = next(later, None)
    return None if following is None else [*messages[:start], *messages[following:]]


def listed(given: Any) -> list[Message]:
    """Messages from a list of them, or from JSON, the role of each by the name that templates know. Raises ``RowError``."""
    given = _of_json(given, "messages") if isinstance(given, str) else given
    if not isinstance(given, list) or not given:
        raise RowError(f"{_short(given)} is no list of messages", "Write [{role: user, content: ...}, ...]", "messages")
    return [_message(item, number) for number, item in enumerate(given, 1)]


def _listed(row: Mapping[str, Any]) -> list[Message]:
    found = listed(row["messages"])
    if row.get("system") and found[0]["role"] != "system":
        found = [{"role": "system", "content": _text(row["system"], "system")}, *found]
    return found


def _message(item: Any, number: int) -> Message:
    """One message, its role by the name that templates know."""
    if not isinstance(item, Mapping):
        raise RowError(f"turn {number} is {_short(item)}, and no message", "Write {role: user, content: ...}", "messages")
    name = next((item[key] for key in _ROLE if item.get(key) is not None), None)
    if name is None:
        raise RowError(f"turn {number} has no role, but {', '.join(map(str, item))}", "Give it a role: user or assistant", "messages")
    call = str(name).casefold() in ("function_call", "tool_call")
    role = "assistant" if call else ROLES.get(str(name).casefold().strip())
    if role is None:
        known = ", ".join(name for name, meant in ROLES.items() if name == meant)
        raise RowError(f"turn {number} has the role {_short(name)}", f"Known are {known}, and human and gpt for two of them", "messages")
    content = next((item[key] for key in _CONTENT if item.get(key) is not None), None)
    kept = {key: item[key] for key in _KEPT if item.get(key) not in (None, [], "")}
    if "tool_calls" in kept:
        kept["tool_calls"] = [_parsed(called) for called in kept["tool_calls"]]
    if call:
        kept, content = kept | {"tool_calls": [_call(content, number)]}, None
    text = "" if content is None else _text(content, "messages", number)
    if not text.strip() and "tool_calls" not in kept and role != "tool":  # a tool may return nothing
        raise RowError(f"turn {number}, of the {role}, is empty", "Give it a text, or leave the row out", "messages")
    return {"role": role, "content": text, **kept}


def _parsed(called: Any) -> Any:
    """The call of a tool with arguments as an object, which the interfaces of models give as JSON text and templates want as it is."""
    function = called.get("function", called) if isinstance(called, Mapping) else {}
    if not isinstance(function.get("arguments"), str):
        return called
    try:
        known = {**function, "arguments": json.loads(function["arguments"])}
    except ValueError:
        return called
    return {**called, "function": known} if "function" in called else known


def _call(content: Any, number: int) -> Row:
    """The call of a tool that ShareGPT writes as JSON text, as templates know it."""
    called = _of_json(content, "messages") if isinstance(content, str) else content
    if not isinstance(called, Mapping) or "name" not in called:
        raise RowError(f"turn {number} calls {_short(content)}", "Write {name: ..., arguments: {...}}", "messages")
    return {"type": "function", "function": {"name": called["name"], "arguments": called.get("arguments", {})}}


def _apart(row: Mapping[str, Any]) -> list[Message]:
    """The messages of a row whose turns stand in columns of their own."""
    prompt, completion = row.get("prompt"), row.get("completion")
    if isinstance(prompt, list):  # a conversation that goes on in the completion
        answer = completion if isinstance(completion, list) else [{"role": "assistant", "content": completion}]
        return _listed({**row, "messages": [*prompt, *(answer if "completion" in row else [])]})
    asked = "\n\n".join(text for role in ("prompt", "input") if (text := _text(row.get(role), role)).strip())
    if not asked:
        raise RowError("the prompt is empty", "Give it a text, or leave the row out", "prompt")
    system = _text(row.get("system"), "system")
    found = [{"role": "system", "content": system}] if system.strip() else []
    for pair in row.get("history") or ():
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise RowError(f"the history has {_short(pair)}", "Write pairs: [[question, answer], ...]", "history")
        found += _checked("user", pair[0], "history"), _checked("assistant", pair[1], "history")
    found.append({"role": "user", "content": asked})
    return [*found, _checked("assistant", completion, "completion")] if "completion" in row else found


def _checked(role: str, value: Any, column: str) -> Message:
    if not (text := _text(value, column)).strip():
        raise RowError(f"the {column} is empty", "Give it a text, or leave the row out", column)
    return {"role": role, "content": text}


def _text(value: Any, column: str, number: int = 0) -> str:
    """A text, or the texts of a list of parts. Raises ``RowError`` for what else a message may hold."""
    place = f"turn {number} holds" if number else f"the {column} is"
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        if other := [part for part in value if not isinstance(part.get("text"), str)]:
            what = other[0].get("type") or ", ".join(map(str, other[0]))
            raise RowError(f"{place} {_short(what)}, and this task reads texts", "Leave the row out", column)
        return "".join(part["text"] for part in value)
    raise RowError(f"{place} {_short(value)}, which is no text", "Name the right column under data.columns", column)


def _of_json(text: str, column: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise RowError(f"{_short(text)} is no JSON", "Write a list of objects in JSON", column) from None


def _short(value: Any) -> str:
    return textwrap.shorten(repr(value), _SHOWN)
