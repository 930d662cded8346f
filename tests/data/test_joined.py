"""Items with the same tokens are joined one to one, each keeps what it has, and nothing is lost on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import InputError
from tunesmith.core.mixture import GUESTS
from tunesmith.data.encode import Encoded
from tunesmith.data.joined import joined

TEXTS = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=3), min_size=1, max_size=12)


def encoded(texts: list[list[int]], **features: list[int]) -> Encoded:
    return Encoded([[{"input_ids": ids, **{name: own[place] for name, own in features.items()}} for place, ids in enumerate(texts)]])


@given(TEXTS, TEXTS, TEXTS)
def test_every_item_stays_and_has_the_guests_of_its_tokens(own: list[list[int]], first: list[list[int]], second: list[list[int]]) -> None:
    guests = {
        "one": encoded(first, label=list(range(len(first)))),
        "two": encoded(second, words=list(range(len(second))), token_type_ids=[[0] * len(ids) for ids in second]),  # type: ignore[arg-type]
    }
    met = [sum(min(own.count(ids), other.count(ids)) for ids in map(list, {*map(tuple, own)})) for other in (first, second)]
    if not all(met):
        with pytest.raises(InputError, match="shares no pass"):
            joined(encoded(own), guests)
        return
    whole = joined(encoded(own, label=list(range(len(own)))), guests)
    assert sorted(item["label"] for item in whole) == list(range(len(own)))
    for item in whole:
        assert own[item["label"]] == item["input_ids"] == own[item["row"]]
        assert item["length"] == len(item["input_ids"])
        assert (item[GUESTS] & 1 == 1, item[GUESTS] & 2 == 2) == ("one/label" in item, "two/words" in item)
        assert "one/label" not in item or first[item["one/label"]] == item["input_ids"]
        assert "two/words" not in item or second[item["two/words"]] == item["input_ids"]
    for name, count in zip(("one/label", "two/words"), met, strict=True):
        found = [item[name] for item in whole if name in item]
        assert len(found) == len({*found}) == count


def test_types_of_tokens_count_and_absent_ones_are_zero() -> None:
    own = encoded([[5, 6]], token_type_ids=[[0, 1]])  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"tasks\.words shares no pass.*same texts and the same max_length"):
        joined(own, {"words": encoded([[5, 6]])})
    with pytest.raises(InputError, match="shares no pass"):  # pictures have no tokens
        joined(Encoded([[{"picture": 1}]]), {"words": Encoded([[{"picture": 1}]])})
    assert len(joined(encoded([[5, 6]], token_type_ids=[[0, 0]]), {"words": encoded([[5, 6]])})) == 1  # type: ignore[list-item]


def test_parts_of_long_rows_and_cut_ones_keep_their_place() -> None:
    second = {"input_ids": [2], "example": 0, "truncated": 1}
    parts = Encoded([[{"input_ids": [1], "example": 0}, second, {"input_ids": [3], "example": 1}]])
    whole = joined(parts, {"words": encoded([[2], [9]], words=[7, 8])})
    assert [(item["input_ids"], item["row"], item.get("words/words")) for item in whole] == [([2], 0, 7), ([1], 0, None), ([3], 1, None)]
    assert (whole.rows.tolist(), whole.lengths.tolist(), whole.truncated) == ([0, 0, 1], [1, 1, 1], 1)
