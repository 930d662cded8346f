"""Items with other answers in them are the items that the same rows with these answers would be."""

from __future__ import annotations

import tiny
from tunesmith.core.task import Row
from tunesmith.data.chat_items import Form, encode_conversations
from tunesmith.data.chat_template import TURNS
from tunesmith.data.chat_turns import Turns
from tunesmith.data.written import question_and_answer, with_answer


def chat(*turns: str) -> Row:
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template, tokenizer.eos_token = TURNS, "[SEP]"
    messages = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(turns)]
    form = Form(Turns.of(tokenizer, ["assistant"]), 64, 32)
    [item] = encode_conversations([{"messages": messages, "tools": []}], tokenizer, form)
    return item | {"row": 3}


def test_a_conversation_ends_with_another_answer() -> None:
    one, other = chat("is the film good ?", "yes , very good"), chat("is the film good ?", "no")
    question, answer = question_and_answer(other)
    assert question_and_answer(one)[0] == question
    assert tiny.tokenizer().decode(answer) == "no [SEP]"
    assert with_answer(one, answer) == other
    assert with_answer(other, question_and_answer(one)[1]) == one


def test_earlier_turns_are_asked_and_not_learned() -> None:
    item = chat("is the film good ?", "yes", "and the music ?", "no")
    question, answer = question_and_answer(item)
    again = with_answer(item, answer)
    assert again["input_ids"] == item["input_ids"] == [*question, *answer[:-1]]
    assert [label for label in again["labels"] if label >= 0] == answer
    assert [label for label in item["labels"] if label >= 0] != answer


def test_the_labels_of_a_pair_are_its_answer() -> None:
    item = {"input_ids": [2, 9, 10], "labels": [11, 3], "length": 5, "truncated": 0, "row": 0}
    assert question_and_answer(item) == ([2, 9, 10], [11, 3])
    assert with_answer(item, [12, 13, 3]) == {**item, "labels": [12, 13, 3], "length": 6}
