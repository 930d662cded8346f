"""Conversations as message lists (LLaMA-Factory's demonstration sets): calls of tools, and which of two replies is better."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tunesmith.samples.archive import Archive
from tunesmith.samples.split import Row, Splits, plain, split

ROLES = {"human": "user", "gpt": "assistant", "observation": "tool", "system": "system"}


def tool_calls(package: Path) -> Splits:
    """``messages`` with tool calls as OpenAI writes them; ``tools`` is the offered JSON schemas, as text."""
    rows = []
    for row in _read(package, "glaive_toolcall_en_demo.json"):
        messages = _messages(row["conversations"])
        rows.append({"messages": messages, "tools": row.get("tools") or "[]", "group": plain(messages[0]["content"])})
    return split("sft_toolcall", rows)


def preferences(package: Path) -> Splits:
    """A ``prompt``, the reply that was ``chosen`` and the one that was ``rejected``, each a message list."""
    rows = []
    for row in _read(package, "dpo_en_demo.json"):
        prompt, chosen, rejected = (_messages(turns) for turns in (row["conversations"], [row["chosen"]], [row["rejected"]]))
        rows.append({"prompt": prompt, "chosen": chosen, "rejected": rejected, "group": plain(prompt[0]["content"])})
    return split("pref_dpo", rows)


def _read(package: Path, file: str) -> Any:
    with Archive(package) as archive:
        return json.loads(archive.text(f"data/{file}"))


def _messages(turns: Iterable[dict[str, str]]) -> list[Row]:
    return [
        _called(turn["value"]) if turn["from"] == "function_call" else {"role": ROLES[turn["from"]], "content": turn["value"]}
        for turn in turns
    ]


def _called(text: str) -> Row:
    call = json.loads(text)
    arguments = json.dumps(call["arguments"], ensure_ascii=False)
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": call["name"], "arguments": arguments}}],
    }
