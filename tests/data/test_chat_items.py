"""Conversations as token ids: masks are exact, long ones end at a turn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

import tiny
from data.test_chat_turns import CHATML, MARKED, REWRITING, TALK
from tunesmith.core.task import RowError
from tunesmith.data.chat_items import IGNORED, Form, encode_conversations, fitted, marked, pad_conversations, prompt_of
from tunesmith.data.chat_template import TURNS
from tunesmith.data.chat_turns import Turns

ROW = {"messages": TALK, "tools": []}


def form(tokenizer: Any, template: str, limit: int = 99, last: bool = False) -> Form:
    tokenizer.eos_token, tokenizer.chat_template = "[SEP]", template
    return Form(Turns.of(tokenizer, ["assistant"], last), limit, limit)


def letters(*merges: tuple[str, str]) -> Any:
    """A tokenizer of letters, some of which belong together."""
    alphabet = ["[PAD]", "[SEP]", *map(chr, range(32, 127)), "\n", *"你好电影", *("".join(pair) for pair in merges)]
    core = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, list(merges)))
    core.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="[PAD]", eos_token="[SEP]")


@pytest.mark.parametrize("template", [CHATML, MARKED, TURNS])
@pytest.mark.parametrize("make", [tiny.tokenizer, letters])
def test_labels_are_the_next_tokens_of_the_answers(template: str, make: Any) -> None:
    tokenizer = make()
    how = form(tokenizer, template)
    [item] = encode_conversations([ROW], tokenizer, how)
    text, places = how.turns.places(TALK, [])
    whole = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert item["input_ids"] == whole[: item["length"]]
    learned = [label for label in item["labels"] if label != IGNORED]
    assert learned == [token for start, end in places for token in tokenizer(text[start:end], add_special_tokens=False)["input_ids"]]
    assert all(label in (IGNORED, whole[place + 1]) for place, label in enumerate(item["labels"]))
    assert item["labels"][-1] == tokenizer.eos_token_id
    assert item["truncated"] == 0


@pytest.mark.parametrize("make", [tiny.tokenizer, letters])
def test_the_mask_is_that_of_transformers(make: Any) -> None:
    tokenizer = make()
    said = [{**turn, "content": turn["content"].strip()} for turn in TALK]  # transformers does not see a turn that begins with a space
    [item] = encode_conversations([{**ROW, "messages": said}], tokenizer, form(tokenizer, TURNS))
    found = tokenizer.apply_chat_template(said, return_assistant_tokens_mask=True, return_dict=True)
    assert [int(label != IGNORED) for label in (IGNORED, *item["labels"])] == found["assistant_masks"][: item["length"] + 1]
    assert not any(found["assistant_masks"][item["length"] + 1 :])


def test_an_answer_is_learned_behind_the_tokens_of_its_question() -> None:
    """A line break of the template and one of the answer are one token in the whole text, and two in use."""
    tokenizer = letters(("\n", "\n"))
    how = form(tokenizer, CHATML)
    [item] = encode_conversations([{"messages": [TALK[0], {"role": "assistant", "content": "\nab"}], "tools": []}], tokenizer, how)
    prompt = tokenizer(how.turns.template.render(TALK[:1], answering=True), add_special_tokens=False)["input_ids"]
    assert prompt_of(item) == prompt
    assert tokenizer.decode([label for label in item["labels"] if label != IGNORED]) == "\nab[SEP]"


def test_tokens_that_depend_on_what_stands_before_them() -> None:
    tokenizer = tiny.tokenizer()
    real = tokenizer.__call__

    class Prefixing(type(tokenizer)):  # type: ignore[misc]
        """Puts a token before each text, as sentencepiece does with a space."""

        def __call__(self, texts: Any, **settings: Any) -> Any:
            found = real(texts, **settings)
            return {"input_ids": [[tiny.MASK, *ids] for ids in found["input_ids"]]}

    how = form(tokenizer, CHATML)
    [expected] = encode_conversations([ROW], tokenizer, how)
    tokenizer.__class__ = Prefixing
    [item] = encode_conversations([ROW], tokenizer, how)
    assert item["input_ids"] == [tiny.MASK, *expected["input_ids"]]
    assert item["labels"] == [IGNORED, *expected["labels"]]


def test_a_long_conversation_ends_with_a_turn() -> None:
    tokenizer = letters()
    how = form(tokenizer, CHATML)
    [short], [whole] = (encode_conversations([row], tokenizer, how) for row in ({**ROW, "messages": TALK[:2]}, ROW))
    [cut] = encode_conversations([ROW], tokenizer, replace(how, limit=whole["length"]))
    assert cut["input_ids"] == short["input_ids"]
    assert cut["truncated"] == whole["length"] - short["length"]
    [within] = encode_conversations([ROW], tokenizer, replace(how, limit=short["length"]))
    assert within["labels"] == short["labels"][:-1]
    with pytest.raises(RowError, match="the first 5 tokens hold no answer"):
        encode_conversations([ROW], tokenizer, replace(how, limit=5))


def test_of_a_last_turn_the_oldest_questions_are_left_out() -> None:
    tokenizer = letters()
    how = form(tokenizer, REWRITING, last=True)
    [later] = encode_conversations([{**ROW, "messages": TALK[2:]}], tokenizer, how)
    [cut] = encode_conversations([ROW], tokenizer, replace(how, limit=later["length"] + 1))
    assert cut["labels"] == later["labels"]
    assert cut["truncated"] > 0


def test_nothing_to_learn() -> None:
    tokenizer = letters()
    with pytest.raises(RowError, match="no turn of the assistant"):
        encode_conversations([{**ROW, "messages": TALK[:1]}], tokenizer, form(tokenizer, CHATML))


def test_a_question_goes_on_to_where_the_assistant_writes() -> None:
    tokenizer = letters()
    how = form(tokenizer, CHATML)
    [item] = encode_conversations([{**ROW, "messages": TALK[:3], "asked": True}], tokenizer, how)
    assert tokenizer.decode(item["input_ids"]).endswith("<im>assistant\n")
    assert item["labels"] == []
    assert prompt_of(item) == item["input_ids"]
    [last] = encode_conversations([{**ROW, "messages": TALK[2:3], "asked": True}], tokenizer, how)
    assert fitted(TALK[:3], [], tokenizer, how.turns, item["length"] - 1) == (last["input_ids"], 2)
    with pytest.raises(RowError, match="the last question takes"):
        encode_conversations([{**ROW, "messages": TALK[:3], "asked": True}], tokenizer, replace(how, prompt=9))


def test_padding_is_behind_and_not_learned() -> None:
    tokenizer = letters()
    items = encode_conversations([ROW, {**ROW, "messages": TALK[:1], "asked": True}], tokenizer, form(tokenizer, CHATML))
    packed = pad_conversations(items, 0, packed=False)
    ids = packed.inputs["input_ids"]
    assert ids.shape == packed.labels.shape == (2, items[0]["length"])
    assert ids[1].tolist() == items[1]["input_ids"] + [0] * (items[0]["length"] - items[1]["length"])
    assert packed.labels.tolist() == [items[0]["labels"], [IGNORED] * items[0]["length"]]


def test_short_ones_share_a_row() -> None:
    tokenizer = letters()
    long, short = encode_conversations([ROW, {**ROW, "messages": TALK[:1], "asked": True}], tokenizer, form(tokenizer, CHATML))
    packed = pad_conversations([short, long, short], 0, packed=True)
    assert packed.places == [(0, 0, short["length"]), (1, 0, long["length"]), (0, short["length"], 2 * short["length"])]
    assert packed.inputs["input_ids"].shape == (2, long["length"])
    assert packed.labels[0].tolist() == [IGNORED] * long["length"]


def test_what_is_learned_can_be_seen() -> None:
    tokenizer = letters()
    items = encode_conversations([ROW, {**ROW, "messages": TALK[:1], "asked": True}], tokenizer, form(tokenizer, CHATML))
    pieces = marked(items[0], tokenizer)
    assert [text for text, learned in pieces if learned] == ["a good film[SEP]", " 电影 [SEP]"]
    assert [learned for _, learned in pieces] == [False, True, False, True]
    assert [learned for _, learned in marked(items[1], tokenizer)] == [False]
