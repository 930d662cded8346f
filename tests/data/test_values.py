"""Columns give back what they were given."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.values import Values

text = st.text(st.characters(codec="utf-8"))
scalar = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text
json_value = st.recursive(scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=5)


def alike(one: Any, other: Any) -> bool:
    """Equality that tells 1 from 1.0 and from True."""
    return json.dumps(one) == json.dumps(other)


@given(st.lists(json_value))
def test_values_of_any_types_come_back_as_they_were(values: list[Any]) -> None:
    kept = Values.of(values)
    assert alike(kept.list(), values)
    assert alike([kept[i] for i in range(len(kept))], values)


@given(st.lists(st.lists(scalar, min_size=1, max_size=4), min_size=1, max_size=4))
def test_joined_columns_are_the_joined_values(parts: list[list[Any]]) -> None:
    joined = Values.join([Values.of(part) for part in parts])
    assert alike(joined.list(), [value for part in parts for value in part])


@pytest.mark.parametrize(
    ("values", "kind"),
    [(["a", None], pa.large_string()), ([1, 2], pa.int64()), ([1.5, None], pa.float64()), ([True], pa.bool_()), ([None], pa.null())],
)
def test_values_of_one_type_take_no_detour(values: list[Any], kind: pa.DataType) -> None:
    kept = Values.of(values)
    assert kept.array.type == kind
    assert not kept.nested


def test_a_number_of_more_than_64_bits_is_kept() -> None:
    assert Values.of([1, 2**80]).list() == [1, 2**80]


def test_values_of_numpy_become_python_values() -> None:
    assert Values.of([np.float32(0.5), np.int64(3), np.array([1, 2])]).list() == [0.5, 3, [1, 2]]


def test_an_object_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        Values.of([object()])


def test_short_arrow_texts_get_long_offsets() -> None:
    assert Values.of_arrow(pa.chunked_array([pa.array(["a"], pa.string())])).array.type == pa.large_string()
    assert Values.of_arrow(pa.chunked_array([pa.array(["a"], pa.string_view())])).array.type == pa.large_string()


def test_dictionaries_of_several_files_can_be_joined() -> None:
    parts = [Values.of_arrow(pa.chunked_array([pa.array([word]).dictionary_encode()])) for word in ("a", "b")]
    assert Values.join(parts).take(np.array([1, 0])).list() == ["b", "a"]


def test_slices_and_choices() -> None:
    kept = Values.of([[1], [2], None, [4]])
    assert kept.list(1, 2) == [[2], None]
    assert kept.take(np.array([3, 0])).list() == [[4], [1]]
