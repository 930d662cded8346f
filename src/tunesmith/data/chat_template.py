"""Chat templates: a conversation as the one text that a model reads, rendered in a sandbox that bounds its size and its time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError, nodes

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import RowError
from tunesmith.data.messages import Message

ROUNDS = 50_000  # of all loops and macros in the rendering of one conversation
LONGEST = 4_000_000  # characters of one rendered conversation
_MARKED = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")

# For models without a template of their own. TURNS names who speaks, and ends every turn with the token that ends a text; JOINED is the
# form of DialoGPT, which tells who speaks by the turns alone. Both mark what the assistant says.
_SAID = "{{ message['content'] }}{% if message['tool_calls'] %}{{ message['tool_calls'] | tojson }}{% endif %}{{ eos_token }}"
_EACH = "{% if message['role'] == 'assistant' %}{% generation %}" + _SAID + "{% endgeneration %}{% else %}" + _SAID + "{% endif %}"
TURNS = (
    "{% if tools %}{{ '<|tools|>\\n' }}{{ tools | tojson }}{{ eos_token }}{{ '\\n' }}{% endif %}"
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' }}" + _EACH + "{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
JOINED = "{% for message in messages %}" + _EACH + "{% endfor %}"
NAMED = {"turns": TURNS, "joined": JOINED}


@dataclass(frozen=True)
class Template:
    """A chat template with the special tokens that it may name. ``by_tools`` is another for rows with tools, where there is one.

    ``marked``  whether it says itself, by ``{% generation %}``, what the assistant writes
    """

    text: str
    tokens: Mapping[str, Any] = field(default_factory=dict)
    by_tools: str = ""

    @classmethod
    def of(cls, tokenizer: Any) -> Template:
        """The template of a tokenizer. Raises ``InputError`` where there is none, or one that cannot be read."""
        given = tokenizer.chat_template
        named = given if isinstance(given, dict) else {"default": given}
        text = named.get("default")
        if not text:
            raise InputError(Problem("The tokenizer has no chat template", "Name a chat model, or tune this one with task: chat"))
        template = cls(text, dict(tokenizer.special_tokens_map), named.get("tool_use", ""))
        for source in filter(None, (text, template.by_tools)):
            try:
                _compiled(source)
            except TemplateError as error:
                raise InputError(Problem(f"The chat template cannot be read: {error}", "Mend it, or give task.template")) from None
        return template

    @property
    def marked(self) -> bool:
        return bool(_MARKED.search(self.text))

    def render(self, messages: Sequence[Message], tools: Sequence[Any] = (), answering: bool = False) -> str:
        """The conversation as text; ``answering`` goes on to where the assistant writes. Raises ``RowError`` where it is refused."""
        return self.render_marked(messages, tools, answering)[0]

    def render_marked(
        self, messages: Sequence[Message], tools: Sequence[Any] = (), answering: bool = False
    ) -> tuple[str, list[tuple[int, int]]]:
        """The text, and where in it (start and end in characters) the template marks what the assistant writes."""
        template = _compiled(self.by_tools if tools and self.by_tools else self.text)
        blocks: list[str] = []
        marks: list[tuple[int, int]] = []
        rounds, size = _Rounds(), 0
        given = {"messages": list(messages), "tools": list(tools) or None, "documents": None, "add_generation_prompt": answering}
        try:
            with template.environment.activate_tracker(blocks, marks):
                for block in template.generate(**self.tokens, **given, tunesmith_round=rounds.count):
                    size += len(block)
                    _check_size(size)
                    blocks.append(block)
        except _FAILURES as error:
            remedy = "Mend the row, or give another with task.template"
            raise RowError(f"the chat template refuses the conversation: {error or type(error).__name__}", remedy, "messages") from None
        return "".join(blocks), marks


# What a template can end in, beside its own refusal. A recursion without end is a RuntimeError.
_FAILURES = (TemplateError, ArithmeticError, MemoryError, LookupError, AttributeError, TypeError, ValueError, RuntimeError)


class _Rounds:
    """Counts what a rendering goes round."""

    def __init__(self) -> None:
        self.left = ROUNDS

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"it goes round its loops more than {ROUNDS:,} times")


def give_template(tokenizer: Any, asked: str, joined: bool, ends: Sequence[int]) -> None:
    """Give a tokenizer the template that is asked for, jinja or a key of ``NAMED``; without any, one where it has none of its own.

    ``joined`` says which of the two. They need a token that ends a text: the first of ``ends`` where the tokenizer names none. Raises
    ``InputError`` where there is none, and for a word that is no template.
    """
    if asked and asked not in NAMED and "{" not in asked:
        raise InputError(Problem(f"'{asked}' is no chat template", f"Write jinja, or {' or '.join(NAMED)}", key="task.template"))
    if not asked and tokenizer.chat_template:
        return
    if tokenizer.eos_token is None:
        if not ends:
            raise InputError(Problem("Neither the model nor its tokenizer says which token ends a text", "Name another model"))
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(ends[0])
    begins = tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    usual = ("{{ bos_token }}" if begins else "") + NAMED.get(asked, JOINED if joined else TURNS)
    tokenizer.chat_template = asked if asked and asked not in NAMED else usual


def _check_size(size: int) -> None:
    if size > LONGEST:
        raise ValueError(f"it becomes longer than {LONGEST:,} characters")


@lru_cache(maxsize=32)
def _compiled(text: str) -> Any:
    """A template in transformers' sandbox, each loop and macro of which counts its rounds."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    environment: Any = _compile_jinja_template(text).environment
    environment.intercepted_binops = frozenset({"*", "**"})
    environment.binop_table = environment.binop_table | {"*": _times, "**": _power}
    tree = environment.parse(text)
    for part in list(tree.find_all((nodes.For, nodes.Macro, nodes.CallBlock))):
        count = nodes.ExprStmt(nodes.Call(nodes.Name("tunesmith_round", "load"), [], [], None, None))
        part.body.insert(0, count.set_lineno(part.lineno).set_environment(environment))
    code = environment.compile(tree)
    return environment.template_class.from_code(environment, code, environment.make_globals(None))


def _times(left: Any, right: Any) -> Any:
    """A product; a text or a list is not repeated without measure."""
    for some, often in ((left, right), (right, left)):
        if isinstance(some, str | list | tuple) and isinstance(often, int):
            _check_size(len(some) * often)
    return left * right


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        _check_size(left.bit_length() * max(0, right))
    return left**right
