"""What rows with two answers hold, which are refused, and what a decoder reads of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import Row, RowError
from tunesmith.data.chat_items import Form
from tunesmith.data.chat_template import TURNS
from tunesmith.data.chat_turns import Turns
from tunesmith.data.columns import find
from tunesmith.data.preferences import COLUMNS, content, encode_preferences, find_question, marked, pad_preferences, preference

ASKED = {"role": "user", "content": "is the film good ?"}
YES, NO = ({"role": "assistant", "content": text} for text in ("yes , very good", "no"))
ROW = {"prompt": "is the film good ?", "chosen": "yes , very good", "rejected": "no"}


def form(limit: int = 64) -> tuple[Any, Form]:
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = TURNS
    tokenizer.eos_token = "[SEP]"
    return tokenizer, Form(Turns.of(tokenizer, ["assistant"], last=True), limit, 32)


def encoded(*rows: Row, limit: int = 64) -> list[Row]:
    tokenizer, how = form(limit)
    return encode_preferences([preference(row) for row in rows], tokenizer, how)


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        {"prompt": [ASKED], "chosen": [YES], "rejected": [NO]},
        {
            "messages": [{"from": "human", "value": "is the film good ?"}],
            "chosen": {"from": "gpt", "value": "yes , very good"},
            "rejected": NO,
        },
        {"chosen": [ASKED, YES], "rejected": [ASKED, NO]},
        {"prompt": "is the film good ?", "chosen": [ASKED, YES], "rejected": [ASKED, NO]},
    ],
)
def test_all_forms_say_the_same(row: Row) -> None:
    assert preference(row) == {"messages": [ASKED], "tools": [], "chosen": YES, "rejected": NO}


def test_columns_are_known_by_name() -> None:
    found = find(COLUMNS, ["system", "question", "chosen", "rejected"])
    assert found == {"system": "system", "prompt": "question", "chosen": "chosen", "rejected": "rejected"}
    with pytest.raises(InputError, match="no column is known as the rejected"):
        find(COLUMNS, ["prompt", "chosen"])
    assert find(COLUMNS, ["prompt"], truth=False) == {"prompt": "prompt"}


def test_rows_without_answers_are_asked() -> None:
    assert preference({"prompt": "is the film good ?"}) == {"messages": [ASKED], "tools": []}


@pytest.mark.parametrize(
    ("changes", "message", "column"),
    [
        ({"rejected": " "}, "the rejected answer is empty", "rejected"),
        ({"chosen": []}, "the chosen answer is empty", "chosen"),
        ({"rejected": "yes , very good "}, "the chosen answer is the rejected one", "rejected"),
        ({"chosen": [ASKED]}, "the chosen answer ends with a turn of the user", "chosen"),
        ({"chosen": [{"content": "yes"}]}, "in the chosen answer, turn 1 has no role", "chosen"),
        ({"chosen": [{**ASKED, "content": "who ?"}, YES]}, "the chosen answer is a conversation that begins in another way", "chosen"),
        ({"prompt": [ASKED, YES]}, "turn 3 is of the assistant and follows one of the assistant", "messages"),
        ({"prompt": [ASKED, ASKED]}, "turn 2 is of the user and follows one of the user", "messages"),
        ({"prompt": " "}, "there is no prompt", "prompt"),
    ],
)
def test_what_cannot_be_learned_is_told_with_its_column(changes: Row, message: str, column: str) -> None:
    with pytest.raises(RowError, match=message) as error:
        preference(ROW | changes)
    assert error.value.column == column
    assert error.value.remedy


def test_where_the_question_stands() -> None:
    assert find_question([ROW]) == "prompt"
    assert find_question([{"chosen": [ASKED, YES], "rejected": [ASKED, NO]}]) == "what both begin with"
    with pytest.raises(InputError, match="no column is known as the prompt"):
        find_question([{"chosen": "a", "rejected": "b"}])


def test_both_answers_stand_behind_the_same_tokens_and_end() -> None:
    [item] = encoded(ROW)
    tokenizer, _ = form()
    prompt = item["prompt"]
    one, other = item["input_ids"][: item["sizes"][0]], item["input_ids"][item["sizes"][0] :]
    assert one[:prompt] == other[:prompt]
    assert tokenizer.decode(one[prompt:]).split() == ["yes", ",", "very", "good", "[SEP]"]
    assert tokenizer.decode(other[prompt:]).split() == ["no", "[SEP]"]
    assert [(learned, "film" in text) for text, learned in marked(item, tokenizer)] == [(False, True), (True, False), (True, False)]
    [asked] = encoded({"prompt": ROW["prompt"]})
    assert asked["input_ids"] == one[:prompt]
    assert asked["sizes"] == [prompt]


def test_long_conversations_lose_their_oldest_questions_and_then_ends_of_answers() -> None:
    [short] = encoded(ROW)
    long = {"prompt": [ASKED, NO, ASKED], "chosen": YES["content"], "rejected": "no"}
    [whole] = encoded(long)
    assert whole["truncated"] == 0
    [item] = encoded(long, limit=short["sizes"][0])
    assert (item["input_ids"], item["sizes"]) == (short["input_ids"], short["sizes"])
    assert item["truncated"] == sum(whole["sizes"]) - sum(short["sizes"])
    [cut] = encoded(ROW, limit=short["prompt"] + 2)
    assert cut["sizes"] == [short["prompt"] + 2] * 2
    with pytest.raises(RowError, match=f"the first {short['prompt']} tokens do not tell the answers apart"):
        encoded(ROW, limit=short["prompt"])
    with pytest.raises(RowError, match="do not tell the answers apart"):
        encoded(ROW | {"rejected": "yes , very bad"}, limit=short["prompt"] + 3)


def test_a_batch_of_pairs_and_questions() -> None:
    items = [item | {"row": row} for row, item in enumerate(encoded(ROW, {"prompt": ROW["prompt"]}, ROW | {"chosen": "good"}))]
    batch = pad_preferences(items, tiny.PAD, True, {content(items[0]): 1.5}, written=0)
    assert batch.notes["pairs"] == [0, 2]
    assert [len(prompt) for prompt in batch.notes["prompts"]] == [0, items[1]["prompt"], 0]
    assert batch.targets["owners"].unique().tolist() == [0, 1, 2, 3]
    assert len(batch.inputs["input_ids"]) == 2, "the question of a pair is there once"
    assert batch.targets["before"][0] == 1.5
    assert batch.targets["before"].isnan().tolist() == [False, True]
    assert pad_preferences(items[:1], tiny.PAD, True, None, written=1).targets["before"].tolist() == [0.0]
    asked = pad_preferences(items[1:2], tiny.PAD, True, None, written=0)
    assert len(asked) == 1
    assert torch.equal(asked.inputs["input_ids"][0], torch.tensor(items[1]["input_ids"][:-1]))
