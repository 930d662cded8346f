"""Hidden states by the content of their row: what is kept is what was given, and nothing half-written is ever read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tunesmith.engine import hidden
from tunesmith.engine.hidden import HiddenStates, keys_of, padded, parted

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


def test_a_key_is_of_the_content_and_not_of_the_padding() -> None:
    keys, real = keys_of({"input_ids": IDS, "attention_mask": (IDS > 0).long()})
    alone, _ = keys_of({"input_ids": IDS[:1, :3], "attention_mask": torch.ones(1, 3, dtype=torch.int64)})
    assert alone[0] == keys[0]
    assert len(set(keys)) == 3
    assert real is not None
    other, _ = keys_of({"input_ids": IDS, "token_type_ids": torch.ones_like(IDS), "attention_mask": (IDS > 0).long()})
    assert not set(other) & set(keys)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.booleans())
def test_padding_is_taken_off_and_put_back(lengths: list[int], left: bool) -> None:
    longest = max(lengths)
    places = torch.arange(longest).expand(len(lengths), longest)
    short = torch.tensor(lengths)[:, None]
    real = places >= longest - short if left else places < short
    given_states = torch.randn(len(lengths), longest, 2) * real[..., None]
    rows = parted(given_states, real)
    assert [len(row) for row in rows] == lengths
    assert padded(rows, real).equal(given_states)


def test_states_of_another_length_than_the_text_have_no_padding() -> None:
    image, real = torch.randn(3, 7, 2), IDS > 0
    assert padded(parted(image, None), None).equal(image)
    assert padded(parted(image, real), real).equal(image)
