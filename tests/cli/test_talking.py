"""Conversations with a model, from Python and on the command line."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import tiny
from cli.conftest import Command
from tunesmith import conversing
from tunesmith.cli import talking
from tunesmith.conversing import Conversation, converse
from tunesmith.core.errors import InputError
from tunesmith.data.chat_template import TURNS
from tunesmith.model.decoding import Decoding
from tunesmith.model.quiet import quiet


@pytest.fixture(scope="module")
def chatty(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny model with a chat template."""
    folder = tmp_path_factory.mktemp("models") / "chatty"
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(tiny.configs["llama"]())
    with torch.no_grad():
        model.get_input_embeddings().weight[: len(tiny.SPECIAL)] = 0  # it says words
    with quiet():
        model.save_pretrained(folder)
    tokenizer = tiny.tokenizer(token_types=False)
    tokenizer.eos_token, tokenizer.chat_template = "[SEP]", TURNS
    tokenizer.save_pretrained(folder)
    return str(folder)


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Put ``text`` on standard input, which is no terminal."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, *lines: Any) -> None:
    """Type ``lines`` at a terminal; an exception among them is raised instead."""
    left = iter(lines)

    def read(_: str) -> str:
        line = next(left, EOFError())
        if isinstance(line, BaseException):
            raise line
        return str(line)

    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr("builtins.input", read)


def contents(conversation: Conversation) -> list[str]:
    return [message["content"] for message in conversation.messages]


def test_it_remembers_what_was_said(chatty: str) -> None:
    talk = converse(chatty, decoding=Decoding(max_new_tokens=4))
    talk.system("be kind")
    first = "".join(talk.ask("a good film ?"))
    assert contents(talk) == ["be kind", "a good film ?", first.strip()]
    alone = converse(chatty, decoding=Decoding(max_new_tokens=4))
    alone.messages = list(talk.messages)
    assert "".join(talk.ask("and the music ?")) == "".join(alone.ask("and the music ?"))
    assert len(talk.messages) == 5
    talk.reset()
    assert contents(talk) == ["be kind"]
    talk.system("")
    assert contents(talk) == []
    assert "".join(talk.ask("a good film ?")) != ""


def test_drawn_answers_repeat_with_their_seed_and_differ_in_a_conversation(chatty: str) -> None:
    def answers(seed: int) -> list[str]:
        talk = converse(chatty, decoding=Decoding(max_new_tokens=8, temperature=2.0, seed=seed))
        return ["".join(talk.ask("film")) for _ in range(2)]

    assert answers(1) == answers(1) != answers(2)


def test_the_oldest_turns_are_forgotten(chatty: str) -> None:
    talk = converse(chatty, decoding=Decoding(max_new_tokens=4))
    talk.room = 40
    talk.system("be kind")
    for number in range(4):
        "".join(talk.ask(f"{number} a film"))
    assert talk.dropped > 0
    assert contents(talk)[0] == "be kind"
    assert contents(talk)[-2] == "3 a film"
    assert [message["role"] for message in talk.messages[1:3]] == ["user", "assistant"]
    before = list(talk.messages)
    with pytest.raises(InputError, match="there is room for 36"):
        next(talk.ask("film " * 50))
    assert (talk.messages, talk.dropped) == (before, 0)


def test_an_answer_that_is_stopped_is_remembered_as_far_as_it_came(chatty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def pieces(*_: Any) -> Iterator[str]:
        yield from ("a ", "good ", "film")

    monkeypatch.setattr(conversing, "stream", pieces)
    talk = converse(chatty)
    answer = talk.ask("which ?")
    assert next(answer) == "a "
    answer.close()  # type: ignore[attr-defined]
    assert contents(talk) == ["which ?", "a"]


def test_what_cannot_talk(model: Path, done: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no head that writes|read texts"):
        converse("done")
    folder = tiny.folder(tmp_path, "llama")
    with pytest.raises(InputError, match="no chat template"):
        converse(folder)
    (done / "scores.json").unlink()
    with pytest.raises(InputError, match="not finished"):
        converse("done")


def test_every_line_is_answered(tunesmith: Command, chatty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "a good film ?\n\n/system be kind\nand the music ?\n/quit\nnever\n")
    said = tunesmith("chat", chatty, "--max-new-tokens", "4", "--json")
    assert said.code == 0
    assert [item["question"] for item in said.json] == ["a good film ?", "and the music ?"]
    talk = converse(chatty, decoding=Decoding(max_new_tokens=4))
    assert "".join(talk.ask("a good film ?")).strip() == said.json[0]["answer"]
    typed(monkeypatch, "a good film ?\n")
    shown = tunesmith("chat", chatty, "--max-new-tokens", "4")
    assert (shown.code, shown.out.strip()) == (0, said.json[0]["answer"])


def test_a_question_without_room_ends_what_is_no_terminal(tunesmith: Command, chatty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "film " * 90)
    refused = tunesmith("chat", chatty)
    assert refused.code == 2
    assert "Shorten it" in refused.err
    assert tunesmith("chat", "nothing").code == 2
    assert tunesmith("chat", chatty, "--temperature", "-1").code == 2


def test_at_a_terminal(tunesmith: Command, chatty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch, "/help", "film " * 90, KeyboardInterrupt(), "/nothing", "a good film ?", "/reset")
    said = tunesmith("chat", chatty, "--max-new-tokens", "4")
    assert said.code == 0
    for expected in ("/system TEXT", "Shorten it", "/quit or Ctrl-D ends", "There is no /nothing", "Forgotten."):
        assert expected in said.err
    assert said.out.strip()


def test_ctrl_c_stops_the_answer_and_not_the_program(tunesmith: Command, chatty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def pieces(*_: Any) -> Iterator[str]:
        yield "a \x1b[31mgood"
        raise KeyboardInterrupt

    monkeypatch.setattr(conversing, "stream", pieces)
    at_a_terminal(monkeypatch, "which ?", "which ?")
    said = tunesmith("chat", chatty)
    assert said.code == 0
    assert said.out.count("a [31mgood [stopped]") == 2  # and what steers a terminal is left out
    typed(monkeypatch, "which ?\n")
    assert tunesmith("chat", chatty).code == 130


def test_what_is_forgotten_is_said(tunesmith: Command, chatty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "film " * 10 + "\n" + "film " * 30 + "\n")
    said = tunesmith("chat", chatty, "--max-new-tokens", "4")
    assert said.code == 0
    assert "The oldest 2 messages are forgotten" in said.err
    assert talking.HELP not in said.err
