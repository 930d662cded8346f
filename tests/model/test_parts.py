"""Models made of two, in one text."""

from __future__ import annotations

import pytest

from tunesmith.model.parts import as_spec, known, parts_of


def test_there_and_back() -> None:
    spec = as_spec({"decoder": "some/gpt", "encoder": "sample:minilm"})
    assert spec == "encoder=sample:minilm,decoder=some/gpt"
    assert parts_of(spec) == {"encoder": "sample:minilm", "decoder": "some/gpt"}
    assert parts_of(as_spec({"vision": "a", "text": "b"})) == {"vision": "a", "text": "b"}


@pytest.mark.parametrize("spec", ["sample:minilm", "encoder=a", "decoder=a,encoder=b", ""])
def test_other_texts_name_one_model(spec: str) -> None:
    assert parts_of(spec) == {}


def test_other_roles_are_no_pair() -> None:
    with pytest.raises(ValueError, match="encoder and text is no pair"):
        as_spec({"encoder": "a", "text": "b"})
    assert known() == "encoder and decoder, or vision and text"
