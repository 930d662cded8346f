"""Beginnings that stand in a row once, with all their ends."""

from __future__ import annotations

from tunesmith.data.branches import branch, pad_ends, probe
from tunesmith.data.packing import IGNORED
from tunesmith.data.sequences import joined

Row = dict[str, object]


def item(prompt: list[int], *ends: list[int]) -> Row:
    sequences = [{"input_ids": [*prompt, *end], "length": len(prompt) + len(end), "truncated": 0} for end in ends]
    return joined(sequences) | {"prompt": len(prompt)}


def test_a_row_in_numbers() -> None:
    packed = branch([[5, 6, 7], [8]], [[[9, 10], [11]], [[12]]], pad=0)
    assert packed.inputs["input_ids"].tolist() == [[5, 6, 7, 9, 7], [8, 0, 0, 0, 0]]
    assert packed.inputs["position_ids"].tolist() == [[0, 1, 2, 3, 2], [0, 0, 0, 0, 0]]
    assert packed.labels.tolist() == [[IGNORED, IGNORED, 9, 10, 11], [12, *[IGNORED] * 4]]
    assert packed.places == [(0, 2, 4), (0, 4, 5), (1, 0, 1)]
    seen = (packed.inputs["attention_mask"][:, 0] == 0).int()
    assert seen[0].tolist() == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 0, 0, 1]]
    assert seen[1, 1:].sum(dim=1).tolist() == [1, 2, 3, 4]  # padding sees padding alone


def test_items_with_their_beginnings_once() -> None:
    items = [item([5, 6, 7, 8, 9], [10], [11, 12]), item([5, 6], [10, 13], [11])]
    inputs, targets, tokens = pad_ends(items, 0, shared=True)
    assert inputs["input_ids"].tolist() == [[5, 6, 7, 8, 9, 9, 11], [5, 6, 10, 6, 0, 0, 0]]
    assert targets["labels"].tolist() == [[*[IGNORED] * 4, 10, 11, 12], [IGNORED, 10, 13, 11, *[IGNORED] * 3]]
    assert targets["owners"].tolist() == [0, 1, 1, 2, 2, 3]
    assert tokens == 7 + 4
    alone, same, more = pad_ends(items, 0, shared=False)
    assert alone["input_ids"].shape == (4, 6)
    assert [label for label in same["labels"].flatten() if label != IGNORED] == [10, 11, 12, 10, 13, 11]
    assert same["owners"].tolist() == targets["owners"].tolist()
    assert more == 5 + 6 + 3 + 2


def test_where_little_would_be_saved_each_has_a_row() -> None:
    inputs, _, _ = pad_ends([item([5, 6], *[[10] * 9] * 3)], 0, shared=True)  # 28 positions of 30
    assert inputs.keys() == {"input_ids"}


def test_a_model_is_tried_with_what_branches() -> None:
    inputs, texts, ends = probe()
    assert inputs["input_ids"][0, [end - 1 for end in ends]].tolist() == [text[-1] for text in texts]
    assert inputs["position_ids"][0, [end - 1 for end in ends]].tolist() == [len(text) - 1 for text in texts]
