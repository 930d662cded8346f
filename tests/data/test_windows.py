"""Windows over long contexts: nothing is lost, places are exact, and answers stand where they should, for tokenizers of each kind."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import tiny
from tunesmith.core.errors import InputError
from tunesmith.data.encode import Encoded
from tunesmith.data.windows import Windows, encode_windows, pad_windows

CONTEXT = "the movie was in paris . the music was a sad song . the man loved a cat . it was a fine day for the boring dog !"
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def byte_level(max_length: int = 64) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer as decoders have it: no special token around a text, blanks in the token behind them."""
    core = Tokenizer(models.BPE({byte: number for number, byte in enumerate(BYTES)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False)
    return PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=max_length, pad_token=BYTES[0])


def place(answer: str, context: str = CONTEXT) -> tuple[int, int]:
    start = context.index(answer)
    return start, start + len(answer)


def encoded(question: str, context: str, answer: tuple[int, int] | None, tokenizer: Any, **settings: Any) -> list[dict[str, Any]]:
    windows = Windows.of(tokenizer, settings.pop("max_length", 24), settings.pop("stride", None))
    return encode_windows([question], [context], None if answer is None else [answer], tokenizer, windows)


def text_of(item: dict[str, Any], start: int, end: int) -> str:
    """The text from one position of an item to another."""
    return bytes(item["text"]).decode()[item["starts"][start - item["first"]] : item["ends"][end - item["first"]]]


def test_windows_cover_the_context_and_share_the_stride() -> None:
    items = encoded("the man loved ?", CONTEXT, None, tiny.tokenizer(), stride=4)
    assert len(items) > 1
    seen = [
        (item["offset"] + start, item["offset"] + end) for item in items for start, end in zip(item["starts"], item["ends"], strict=True)
    ]
    assert sorted(set(seen)) == list(tiny.tokenizer()._tokenizer.encode(CONTEXT, add_special_tokens=False).offsets)
    for one, other in itertools.pairwise(items):
        assert one["input_ids"][-5:-1] == other["input_ids"][other["first"] :][:4]
    assert all(item["length"] == len(item["input_ids"]) <= 24 for item in items)
    assert all(CONTEXT[item["offset"] :].startswith(bytes(item["text"]).decode()) for item in items)


def test_an_answer_is_learned_in_each_window_that_holds_all_of_it() -> None:
    items = encoded("the man loved ?", CONTEXT, place("a sad song"), tiny.tokenizer())
    holding = [item for item in items if "a sad song" in bytes(item["text"]).decode()]
    assert 0 < len(holding) < len(items)
    assert all(text_of(item, item["start"], item["end"]) == "a sad song" for item in holding)
    assert all(item["start"] == item["end"] == item["none"] == 0 for item in items if item not in holding)


def test_without_an_answer_every_window_has_none() -> None:
    items = encoded("the man loved ?", CONTEXT, (-1, -1), tiny.tokenizer())
    assert all((item["start"], item["end"]) == (item["none"], item["none"]) for item in items)


def test_an_answer_inside_a_word_takes_the_whole_word() -> None:
    [item] = encoded("?", "a wonderful song", (4, 8), tiny.tokenizer())
    assert text_of(item, item["start"], item["end"]) == "wonderful"


@given(st.text(st.sampled_from("ab é好😀 \n"), min_size=1, max_size=30).filter(str.strip), st.data())
def test_places_are_exact_for_bytes_and_characters_alike(context: str, data: st.DataObject) -> None:
    answer = data.draw(st.tuples(st.integers(0, len(context) - 1), st.integers(1, len(context))).filter(lambda p: p[0] < p[1]))
    if not context[answer[0] : answer[1]].strip():
        return
    items = encoded("a?", context, answer, byte_level(200), max_length=200)
    assert len(items) == 1
    found = text_of(items[0], items[0]["start"], items[0]["end"])
    assert context[answer[0] : answer[1]] in found
    assert len(found.strip()) <= len(context[answer[0] : answer[1]])


def test_a_decoder_reads_the_question_on_a_line_of_its_own() -> None:
    [item] = encoded("who ?", "bob", (0, 3), byte_level(), max_length=64)
    read = "".join(BYTES[i] for i in item["input_ids"])
    assert read == "whoĠ?Ċbob"
    assert item["none"] == 0
    assert item["first"] == 6


def test_a_long_question_is_cut_and_counted() -> None:
    tokenizer = tiny.tokenizer()
    items = encoded("good " * 30 + "?", CONTEXT, None, tokenizer)
    assert {item["truncated"] for item in items} == {31 - (24 - 3) // 2}
    assert all(item["first"] == 2 + (24 - 3) // 2 for item in items)


def test_a_context_without_tokens_is_an_item_that_has_no_answer() -> None:
    [item] = encode_windows(["?"], ["\u200b\u200b"], [(0, 1)], tiny.tokenizer(), Windows(24, 4, 8))
    assert (item["starts"], item["start"]) == ([], item["none"])
    _, targets, _, _ = pad_windows([item | {"row": 0}], tiny.tokenizer())
    assert targets["allowed"].sum() == 1


def test_rows_keep_their_items_when_they_are_packed() -> None:
    tokenizer = tiny.tokenizer()
    windows = Windows.of(tokenizer, 24, None)
    items = encode_windows(["a ?", "no ?"], [CONTEXT, "好 film"], [place("dog"), (0, 1)], tokenizer, windows)
    kept = Encoded([items])
    assert kept.rows.tolist() == [item["example"] for item in items]
    assert {name: value for name, value in kept[len(items) - 1].items() if name != "row"} == {
        name: value for name, value in items[-1].items() if name != "example"
    }


@pytest.mark.parametrize("side", ["left", "right"])
def test_positions_move_with_the_padding(side: str) -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.padding_side = side
    items = encoded("the man loved ?", CONTEXT, place("dog"), tokenizer) + encoded("?", "a dog", (2, 5), tokenizer)
    inputs, targets, tokens, moved = pad_windows(items, tokenizer)
    assert tokens == sum(item["length"] for item in items)
    dog = tokenizer.convert_tokens_to_ids("dog")
    for row, item in enumerate(moved):
        if item["start"] != item["none"]:
            assert inputs["input_ids"][row, targets["start"][row]] == dog
        assert inputs["input_ids"][row, item["none"]] == tiny.CLS
        assert targets["allowed"][row].sum() == 1 + len(item["starts"])
    assert targets["start"][-1] != moved[-1]["none"]


def test_a_stride_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(InputError, match=r"task.stride: windows of 24 tokens cannot share 7: .*Set task.stride to 6 at most"):
        Windows.of(tiny.tokenizer(), 24, 7)
    assert Windows.of(tiny.tokenizer(), 999, 6).length == 64  # what the model takes


def test_a_tokenizer_that_gives_no_places_is_refused() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(InputError, match="does not say where its tokens stand"):
        Windows.of(Slow(), 24, None)
