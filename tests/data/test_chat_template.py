"""Chat templates: the same text as transformers makes, and bounds."""

from __future__ import annotations

from typing import Any

import pytest

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import RowError
from tunesmith.data import chat_template
from tunesmith.data.chat_template import JOINED, TURNS, Template, give_template

SAID = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "你好"}, {"role": "assistant", "content": "a film"}]
TOOLS = [{"name": "add"}]


def tokenizer(template: Any = None) -> Any:
    made = tiny.tokenizer()
    made.chat_template = template
    return made


def rendered(template: str) -> str:
    return Template(template).render(SAID)


@pytest.mark.parametrize("template", [TURNS, JOINED])
@pytest.mark.parametrize("answering", [False, True])
@pytest.mark.parametrize("tools", [[], TOOLS])
def test_it_renders_as_transformers_does(template: str, answering: bool, tools: list[Any]) -> None:
    given = tokenizer(template)
    given.eos_token = "[SEP]"
    expected = given.apply_chat_template(SAID, tools=tools or None, add_generation_prompt=answering, tokenize=False)
    assert Template.of(given).render(SAID, tools, answering) == expected


def test_the_templates_of_the_house() -> None:
    ended = {"eos_token": "</s>"}
    assert Template(TURNS, ended).render(SAID[1:]) == "<|user|>\n你好</s>\n<|assistant|>\na film</s>\n"
    assert Template(TURNS, ended).render(SAID[1:2], TOOLS, True) == '<|tools|>\n[{"name": "add"}]</s>\n<|user|>\n你好</s>\n<|assistant|>\n'
    text, marks = Template(JOINED, ended).render_marked(SAID[1:])
    assert text == "你好</s>a film</s>"
    assert [text[start:end] for start, end in marks] == ["a film</s>"]


def test_a_template_for_tools() -> None:
    found = Template.of(tokenizer({"default": "plain", "tool_use": "{{ tools[0].name }}"}))
    assert (found.render(SAID), found.render(SAID, TOOLS)) == ("plain", "add")


def test_what_a_template_refuses() -> None:
    with pytest.raises(RowError) as caught:
        rendered("{{ raise_exception('Only users may speak') }}")
    assert caught.value.message == "the chat template refuses the conversation: Only users may speak"
    for unsafe in ("{{ messages.__class__.__mro__ }}", "{{ messages[9].content.x }}", "{{ messages.append(1) }}", "{{ 1 + '1' }}"):
        with pytest.raises(RowError, match="refuses the conversation"):
            rendered(unsafe)


@pytest.mark.parametrize(
    "endless",
    [
        "{% for i in range(999) %}{% for j in range(999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(1) }}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% for i in range(999) %}{{ 'x' * 999 }}{% endfor %}",
        "{{ 'x' * 10 ** 12 }}",
        "{% set n = 10 ** 9 %}{{ 7 ** n }}",
    ],
)
def test_no_template_goes_on_for_ever(endless: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "ROUNDS", 1_000)
    monkeypatch.setattr(chat_template, "LONGEST", 100_000)
    with pytest.raises(RowError, match=r"loops|longer than|recursion"):
        rendered(endless)


def test_a_template_that_cannot_be_read() -> None:
    with pytest.raises(InputError, match="The chat template cannot be read"):
        Template.of(tokenizer("{% for %}"))
    with pytest.raises(InputError, match="no chat template"):
        Template.of(tokenizer())


def test_a_tokenizer_is_given_a_template() -> None:
    for asked, joined, expected in (
        ("", False, TURNS),
        ("", True, JOINED),
        ("joined", False, JOINED),
        ("{{ messages }}", True, "{{ messages }}"),
    ):
        given = tokenizer()
        give_template(given, asked, joined, [tiny.SEP])
        assert (given.chat_template, given.eos_token) == (expected, "[SEP]")
    own = tokenizer("own")
    give_template(own, "", False, [tiny.SEP])
    assert own.chat_template == "own"
    give_template(own, "turns", False, [tiny.SEP])
    assert own.chat_template == TURNS


def test_what_marks_the_beginning_of_texts_stays_there() -> None:
    given = tokenizer()
    given.bos_token = "[CLS]"
    give_template(given, "", False, [tiny.SEP])
    assert given.apply_chat_template(SAID, tokenize=False).startswith("[CLS]<|system|>")


def test_what_cannot_be_given() -> None:
    with pytest.raises(InputError, match="'tunrs' is no chat template"):
        give_template(tokenizer(), "tunrs", False, [tiny.SEP])
    with pytest.raises(InputError, match="which token ends a text"):
        give_template(tokenizer(), "", False, [])
