"""What is learned of a conversation, in templates of every kind."""

from __future__ import annotations

from typing import Any

import pytest

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import RowError
from tunesmith.data.chat_template import JOINED, TURNS
from tunesmith.data.chat_turns import Turns

SYSTEM = [{"role": "system", "content": "be kind"}]
TALK = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "a good film"},
    {"role": "user", "content": "你好"},
    {"role": "assistant", "content": " 电影 "},
]
# ChatML; the same with a mark that leaves the end out; turns that are stripped; turns without a header, as Llama 2 has them.
CHATML = (
    "{% for m in messages %}{{ '<im>' + m['role'] + '\n' + m['content'] + '[SEP]' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<im>assistant\n' }}{% endif %}"
)
MARKED = (
    "{% for m in messages %}{{ m['role'] + ': ' }}{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}{% endgeneration %}"
    "{% else %}{{ m['content'] }}{% endif %}{{ '[SEP]\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
LOOSE = MARKED.replace("[SEP]", " [SEP]")
LLAMA = (
    "{% for m in messages %}{% if m['role'] == 'user' %}[I] {{ m['content'] }} [/I]{% else %} {{ m['content'] | trim }} [SEP]{% endif %}"
    "{% endfor %}"
)
# The prompt of an answer thinks, and a finished turn does not show it.
THINKING = CHATML.replace("'<im>assistant\n' }}", "'<im>assistant\n<think>\n' }}")
# What was thought is left out once another question follows, as Qwen 3 has it.
REWRITING = (
    "{% for m in messages %}{{ m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' and loop.last %}{{ '<think></think>' }}{% endif %}{{ m['content'] + '[SEP]' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant\n' }}{% endif %}"
)


def turns(template: str, *roles: str, last: bool = False) -> Turns:
    tokenizer = tiny.tokenizer()
    tokenizer.eos_token, tokenizer.chat_template = "[SEP]", template
    return Turns.of(tokenizer, roles or ["assistant"], last)


def learned(which: Turns, messages: list[dict[str, Any]], tools: Any = ()) -> list[str]:
    text, places = which.places(messages, tools)
    return [text[start:end] for start, end in places]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (CHATML, ["a good film[SEP]", " 电影 [SEP]"]),
        (TURNS, ["a good film[SEP]", " 电影 [SEP]"]),
        (JOINED, ["a good film[SEP]", " 电影 [SEP]"]),
        (MARKED, ["a good film[SEP]", " 电影 [SEP]"]),
        (LOOSE, ["a good film [SEP]", " 电影  [SEP]"]),
        (LLAMA, [" a good film [SEP]", " 电影 [SEP]"]),
        (THINKING, ["a good film[SEP]", "电影 [SEP]"]),
    ],
)
def test_every_turn_of_the_assistant_with_its_end(template: str, expected: list[str]) -> None:
    which = turns(template)
    assert learned(which, TALK) == expected
    assert learned(which, TALK[:2]) == expected[:1]
    assert learned(turns(template, last=True), TALK) == expected[1:]
    assert which.end() == "[SEP]"


@pytest.mark.parametrize("template", [CHATML, MARKED])
def test_other_roles(template: str) -> None:
    everyone = turns(template, "system", "user", "assistant")
    assert [text.strip() for text in learned(everyone, SYSTEM + TALK)] == [
        "be kind[SEP]", "hi[SEP]", "a good film[SEP]", "你好[SEP]", "电影 [SEP]",
    ]  # fmt: skip


@pytest.mark.parametrize("template", [CHATML, MARKED])
def test_what_has_no_weight_is_not_learned(template: str) -> None:
    assert learned(turns(template), [TALK[0], {**TALK[1], "weight": 0}, *TALK[2:]]) == [" 电影 [SEP]"]


def test_the_same_answer_twice_has_two_places() -> None:
    said = [TALK[0], {"role": "assistant", "content": "hi"}, TALK[0], {"role": "assistant", "content": "hi"}]
    text, places = turns(THINKING).places(said, ())
    assert [text[start:end] for start, end in places] == ["hi[SEP]", "hi[SEP]"]
    assert all(text[:start].endswith("<im>assistant\n") for start, _ in places)


def test_a_template_that_rewrites_earlier_turns_is_refused() -> None:
    assert learned(turns(REWRITING), TALK[:2]) == ["<think></think>a good film[SEP]"]
    with pytest.raises(RowError, match="turn 2 in another way when others follow") as caught:
        learned(turns(REWRITING), TALK)
    assert "task.turns: last" in caught.value.remedy
    assert learned(turns(REWRITING, last=True), TALK) == ["<think></think> 电影 [SEP]"]


def test_a_template_that_leaves_something_out_is_refused() -> None:
    upper = CHATML.replace("m['content']", "m['content'] | upper").replace("'<im>assistant\n'", "'<im>answer:'")
    with pytest.raises(RowError, match="does not show turn 2 as it is"):
        learned(turns(upper), TALK)
    tools = [{"type": "function", "function": {"name": "add"}}]
    with pytest.raises(RowError, match="leaves out the tool 'add'"):
        learned(turns(CHATML), TALK, tools)
    call = {"role": "assistant", "content": "", "tool_calls": tools}
    with pytest.raises(RowError, match="leaves out the call of the tool 'add'"):
        learned(turns(CHATML), [TALK[0], call])
    assert "add" in learned(turns(TURNS), [TALK[0], call], tools)[0]


def test_a_template_that_never_ends_is_refused() -> None:
    with pytest.raises(InputError, match="learn to stop"):
        turns(CHATML.replace("'[SEP]' + ", "")).end()
    with pytest.raises(InputError, match="refuses the conversation: no"):
        turns("{{ raise_exception('no') }}").end()
