"""What is learned of a conversation: where in its rendered text the turns of some roles stand, each with the token that ends it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import RowError
from tunesmith.data.chat_template import Template
from tunesmith.data.messages import Message

Place = tuple[int, int]  # start and end in characters

_REWRITES = "Set task.turns: last, which learns the last turn alone, or give another with task.template"


@dataclass(frozen=True)
class Turns:
    """Which turns are learned.

    ``roles``  whose; ``last`` whether the last of them alone
    ``ends``   the special tokens of the tokenizer as texts: what closes a turn is one of them
    """

    template: Template
    roles: frozenset[str]
    last: bool
    ends: tuple[str, ...]

    @classmethod
    def of(cls, tokenizer: Any, roles: Iterable[str], last: bool = False) -> Turns:
        """The turns of ``roles`` in the template of a tokenizer. Raises ``InputError`` where it has none that can be read."""
        added = (token.content for token in tokenizer.added_tokens_decoder.values())
        ends = tuple(text for text in dict.fromkeys([*tokenizer.all_special_tokens, *added]) if text.strip())
        return cls(Template.of(tokenizer), frozenset(roles), last, ends)

    def end(self) -> str:
        """The token that closes what the assistant says. Raises ``InputError`` for a template that closes it with none."""
        said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        try:
            text, places = replace(self, roles=frozenset({"assistant"})).places(said, ())
        except RowError as error:
            raise InputError(Problem(error.message, error.remedy)) from None
        found = text[slice(*places[-1])] if places else ""
        closing = max((token for token in self.ends if found.endswith(token)), key=len, default="")
        if not closing:
            message = "The chat template ends what the assistant says with no special token, so that nobody could learn to stop"
            raise InputError(Problem(message, "Write {{ eos_token }} behind it, or set task.template: turns"))
        return closing

    def chosen(self, messages: Sequence[Message]) -> list[int]:
        """The numbers of the messages that are learned; a message of ``weight`` 0 is not."""
        found = [number for number, message in enumerate(messages) if message["role"] in self.roles and message.get("weight") != 0]
        return found[-1:] if self.last else found

    def places(self, messages: Sequence[Message], tools: Sequence[Any]) -> tuple[str, list[Place]]:
        """The rendered conversation, and the places of the turns that are learned, in order and apart from each other.

        A template that marks what the assistant writes is believed. Otherwise a turn reaches from where the assistant is asked to
        write to where the conversation so far ends, if both are beginnings of the whole text; else it is looked for by its content.
        Raises ``RowError`` where a template changes earlier turns when later ones follow, and where it leaves something out.
        """
        chosen = self.chosen(messages)
        if self.template.marked and set(self.roles) == {"assistant"} and not any("weight" in message for message in messages):
            text, places = self.template.render_marked(messages, tools)
            places = [self._closed(text, place) for place in places if place[1] > place[0]]
            places = places[-1:] if self.last else places
        else:
            text = self.template.render(messages, tools)
            places = list(self._found(text, chosen, messages, tools))
        _check_tools(text, messages, tools)
        return text, places

    def _found(self, text: str, chosen: Sequence[int], messages: Sequence[Message], tools: Sequence[Any]) -> Iterator[Place]:
        behind = 0
        for number in chosen:
            start, end = self._place(text, number, messages, tools, behind)
            start, end = self._closed(text, (start, end))
            yield start, end
            behind = end

    def _place(self, text: str, number: int, messages: Sequence[Message], tools: Sequence[Any], behind: int) -> Place:
        """The place of one message, not before ``behind``."""
        message, is_last = messages[number], number + 1 == len(messages)
        answers = message["role"] == "assistant"
        before = self._beginning(messages[:number], tools, answers)
        after = text if is_last else self._beginning(messages[: number + 1], tools, False)
        start, end = len(before), len(after)
        if answers and before and text.startswith(before) and text.startswith(after) and behind <= start < end:
            return start, end
        content = message["content"].strip()
        start = text.find(content, max(behind, _shared(text, before))) if content else -1
        if start < 0:
            raise RowError(f"the chat template does not show turn {number + 1} as it is", _REWRITES, "messages")
        if _shared(text, after) < start + len(content):
            raise RowError(f"the chat template writes turn {number + 1} in another way when others follow", _REWRITES, "messages")
        return start, end if text.startswith(after) else start + len(content)

    def _beginning(self, messages: Sequence[Message], tools: Sequence[Any], answering: bool) -> str:
        """The text of the first messages; empty where a template does not render them alone."""
        try:
            return self.template.render(messages, tools, answering) if messages else ""
        except RowError:
            return ""

    def _closed(self, text: str, place: Place) -> Place:
        """The place with the tokens that close the turn, and without what stands behind them: nobody writes a line break there."""
        start, end = place
        stand = {end_token: text.rfind(end_token, start, end) for end_token in self.ends}
        last = max((at + len(end_token) for end_token, at in stand.items() if at >= 0), default=end)
        if not text[last:end].strip():
            end = last
        if not any(text.endswith(end_token, start, end) for end_token in self.ends):  # the markers of some templates leave it out
            blank = len(text[end:]) - len(text[end:].lstrip())
            end += max((blank + len(end_token) for end_token in self.ends if text.startswith(end_token, end + blank)), default=0)
        return start, end


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _check_tools(text: str, messages: Collection[Message], tools: Sequence[Any]) -> None:
    """Raise ``RowError`` for a template that leaves out tools, or calls of them: the answers would come out of nothing."""
    called = [call.get("function", call).get("name", "") for message in messages for call in message.get("tool_calls", ())]
    offered = [tool.get("function", tool).get("name", "") for tool in tools]
    for what, names in (("call of the tool", called), ("tool", offered)):
        if left_out := [name for name in names if name not in text]:
            remedy = "Set task.template: turns, which writes them, or name a model whose template does"
            raise RowError(f"the chat template leaves out the {what} {left_out[0]!r}", remedy, "tools")
