"""Hidden states by the content of their row: what is kept is what was given, and nothing half-written is ever read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tunesmith.data.packing import pack
from tunesmith.engine import hidden
from tunesmith.engine.hidden import HiddenStates, keys_of, padded, parted, texts_of

KEYS = [bytes([number]) * 16 for number in range(4)]


def states(lengths: list[int], dtype: torch.dtype = torch.bfloat16) -> list[Tensor]:
    return [torch.randn(length, 3).to(dtype) for length in lengths]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float16])
def test_what_is_written_is_read_by_whoever_opens_it(tmp_path: Path, dtype: torch.dtype) -> None:
    rows = states([2, 5, 1], dtype)
    kept = HiddenStates(tmp_path / "new" / "a.bin")
    kept.write(iter([(KEYS[:2], rows[:2]), (KEYS[1:3], rows[1:])]), parts=2)
    for found in (kept, HiddenStates(kept.file)):
        again = found.get(KEYS[:3])
        assert again is not None
        assert all(one.equal(other) and one.dtype == dtype for one, other in zip(again, rows, strict=True))
        assert found.parts == 2
        assert len(found) == 3
        assert found.get(KEYS) is None
    assert sorted(path.name for path in kept.file.parent.iterdir()) == ["a.bin", "a.json"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> object:
        yield KEYS[:1], states([2])
        raise OSError(28, "No space left on device")

    kept = HiddenStates(tmp_path / "a.bin")
    with pytest.raises(OSError, match="No space"):
        kept.write(failing(), parts=0)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    assert len(HiddenStates(kept.file)) == 0


def test_rows_of_this_run_are_remembered_while_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden, "IN_MEMORY", 30)
    kept, rows = HiddenStates(tmp_path / "a.bin"), states([2, 4, 3])
    kept.remember(KEYS[:3], rows)
    assert [kept.get([key]) is not None for key in KEYS[:3]] == [True, False, True]
    assert kept.get(KEYS[:1], remembered=False) is None  # not to learn from
    assert list(tmp_path.iterdir()) == []


IDS = torch.tensor([[5, 6, 7, 0], [5, 6, 0, 0], [5, 6, 7, 8]])


def keys(**inputs: Tensor) -> list[bytes]:
    return keys_of(inputs, texts_of(inputs, inputs.pop("labels", None), 0))


def test_a_key_is_of_the_content_and_not_of_the_padding() -> None:
    mask = (IDS > 0).long()
    found = keys(input_ids=IDS, attention_mask=mask)
    assert keys(input_ids=IDS[:1, :3], attention_mask=mask[:1, :3])[0] == found[0]
    assert keys(input_ids=IDS[:1, :3]) == found[:1]
    assert len(set(found)) == 3
    assert not set(keys(input_ids=IDS, token_type_ids=torch.ones_like(IDS), attention_mask=mask)) & set(found)


def test_rows_of_one_choice_have_no_padding_either() -> None:
    alone = keys(input_ids=IDS[:1, None, :3])
    assert keys(input_ids=IDS[:, None], attention_mask=(IDS > 0).long()[:, None])[0] == alone[0]


def test_a_decoder_has_padding_behind_the_last_token_and_label() -> None:
    labels = torch.full_like(IDS, -100)
    assert keys(input_ids=IDS, labels=labels) == [*keys(input_ids=IDS[:1, :3]), *keys(input_ids=IDS[1:2, :2]), *keys(input_ids=IDS[2:])]
    labels[0, 3] = 9  # what looks like padding ends a text
    assert keys(input_ids=IDS, labels=labels)[0] == keys(input_ids=IDS[:1])[0]


def test_a_text_has_the_same_key_and_states_in_the_company_of_others() -> None:
    texts, rows = [[5, 6, 7], [5, 6], [5, 6, 7, 8]], [5, 9]
    alone = [keys(input_ids=torch.tensor([text]))[0] for text in texts]
    for size in rows:
        packed = pack(texts, texts, 0, size)
        places = texts_of(packed.inputs, packed.labels, 0)
        found = keys_of(packed.inputs, places)
        assert sorted(found) == sorted(alone)
        assert places is not None
        states = torch.randn(*places.shape, 2) * (places >= 0)[..., None]
        own = parted(states, places)
        assert [len(text) for text in own] == [len(texts[alone.index(key)]) for key in found]
        assert padded(own, places).equal(states)


def test_what_cannot_be_read_is_not_there(tmp_path: Path) -> None:
    def written() -> HiddenStates:
        kept = HiddenStates(tmp_path / "a.bin")
        kept.write(iter([(KEYS[:2], states([2, 5]))]), parts=0)
        return kept

    for name in ("a.bin", "a.json"):
        for spoiled in (b"", (written().file.parent / name).read_bytes()[:-1], b"0" * (tmp_path / name).stat().st_size):
            written()
            (tmp_path / name).write_bytes(spoiled)
            assert len(HiddenStates(tmp_path / "a.bin")) == 0
        (tmp_path / name).unlink()
        assert len(HiddenStates(tmp_path / "a.bin")) == 0
    assert len(written()) == 2


@pytest.mark.parametrize("changed", [{"lengths": [5, 2]}, {"dtype": "float16"}, {"parts": 1}, {"keys": (KEYS[1] + KEYS[0]).hex()}])
def test_what_says_another_thing_of_the_same_states_is_not_there(changed: dict[str, Any], tmp_path: Path) -> None:
    kept = HiddenStates(tmp_path / "a.bin")
    kept.write(iter([(KEYS[:2], states([2, 5]))]), parts=0)
    about = json.loads(kept.about.read_text())
    kept.about.write_text(json.dumps(about | changed))
    assert len(HiddenStates(kept.file)) == 0
    kept.about.write_text(json.dumps(about))
    assert len(HiddenStates(kept.file)) == 2


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.booleans())
def test_padding_is_taken_off_and_put_back(lengths: list[int], left: bool) -> None:
    longest = max(lengths)
    places = torch.arange(longest).expand(len(lengths), longest)
    short = torch.tensor(lengths)[:, None]
    real = places >= longest - short if left else places < short
    texts = texts_of({"attention_mask": real.long()})
    given_states = torch.randn(len(lengths), longest, 2) * real[..., None]
    rows = parted(given_states, texts)
    assert [len(row) for row in rows] == lengths
    assert padded(rows, texts).equal(given_states)


def test_states_of_another_length_than_the_text_have_no_padding() -> None:
    image, texts = torch.randn(3, 7, 2), texts_of({"input_ids": IDS})
    assert padded(parted(image, None), None).equal(image)
    assert padded(parted(image, texts), texts).equal(image)
