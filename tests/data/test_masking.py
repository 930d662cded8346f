"""Masks: how many, of whole words, the same for the same draw, and what stands at them."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
import torch

import tiny
from tunesmith.data.masking import IGNORED, chosen, encode_masked, mask_item, masked

TEXT = "the man loved a good film in paris and the music was sad"


def pieces(text: str = TEXT, whole_words: bool = True, length: int = 64) -> list[dict[str, Any]]:
    return encode_masked([text], tiny.tokenizer(), length, whole_words)


def test_shares() -> None:
    generator = torch.Generator().manual_seed(0)
    maskable = torch.ones(100, 100, dtype=torch.bool)
    maskable[:, 50:] = False
    asked = chosen(maskable, 0.15, generator)
    assert not asked[:, 50:].any()
    assert asked.any(dim=1).all()
    assert float(asked.sum()) == pytest.approx(0.15 * 5000, rel=0.1)
    ids = torch.full((100, 100), 7)
    given = masked(ids, asked, tiny.tokenizer(), generator)
    assert (given == ids)[~asked].all()
    assert float((given == tiny.MASK).sum()) == pytest.approx(0.8 * float(asked.sum()), rel=0.1)
    assert float(((given == ids) & asked).sum()) == pytest.approx(0.1 * float(asked.sum()), rel=0.4)


def test_one_draw_gives_one_mask_and_another_another() -> None:
    (item,) = pieces()
    masks = [mask_item({**item, "draw": draw}, 0.3, tiny.tokenizer())[1].tolist() for draw in (1, 1, 2, 3, 4)]
    assert masks[0] == masks[1]
    assert len({tuple(mask) for mask in masks}) > 1
    for draw in range(20):
        given, labels = mask_item({**item, "draw": draw}, 0.3, tiny.tokenizer())
        ids = torch.tensor(item["input_ids"])
        assert (labels[labels != IGNORED] == ids[labels != IGNORED]).all()
        assert (given == ids)[labels == IGNORED].all()
        assert labels[0] == labels[-1] == IGNORED  # [CLS] and [SEP]


def test_what_is_judged_is_masked_alike_each_time() -> None:
    (item,) = pieces()
    one, other = (mask_item(item, 0.3, tiny.tokenizer()) for _ in range(2))
    assert torch.equal(one[0], other[0])
    assert ((one[0] == tiny.MASK) == (one[1] != IGNORED)).all()


def test_masks_of_the_text_are_what_is_asked() -> None:
    (item,) = pieces("a good [MASK] in [MASK]")
    given, labels = mask_item(item, 0.9, tiny.tokenizer())
    assert given.tolist() == item["input_ids"]
    assert (labels == tiny.MASK).sum() == 2
    trained, learned = mask_item({**item, "draw": 1}, 0.9, tiny.tokenizer())
    assert not (learned == tiny.MASK).any()
    assert trained.tolist().count(tiny.MASK) >= 2


def test_long_texts_become_items_and_words_are_numbered() -> None:
    items = pieces(length=8)
    assert [item["length"] for item in items] == [8, 8, 3]
    assert all(item["words"][0] == item["words"][-1] == -1 for item in items)
    assert items[0]["words"][1:-1] == [0, 1, 2, 3, 4, 5]


def test_a_text_of_nothing_known_asks_for_nothing() -> None:
    (item,) = pieces("zyx")
    assert (mask_item({**item, "draw": 1}, 0.5, tiny.tokenizer())[1] == IGNORED).all()


def test_chinese_words_are_those_of_jieba(monkeypatch: pytest.MonkeyPatch) -> None:
    jieba = ModuleType("jieba")
    jieba.tokenize = lambda text: [("这", 0, 1), ("部", 1, 2), ("电影", 2, 4), ("很", 4, 5), ("好看", 5, 7)]  # type: ignore[attr-defined]
    jieba.__spec__ = sys.__spec__
    monkeypatch.setitem(sys.modules, "jieba", jieba)
    assert pieces("这部电影很好看")[0]["words"] == [-1, 0, 1, 2, 2, 3, 4, 4, -1]
    assert pieces("这部电影很好看", whole_words=False)[0]["words"] == [-1, 0, 1, 2, 3, 4, 5, 6, -1]
    for draw in range(10):
        labels = mask_item({**pieces("这部电影很好看")[0], "draw": draw}, 0.4, tiny.tokenizer())[1] != IGNORED
        assert labels[3] == labels[4]
        assert labels[6] == labels[7]
