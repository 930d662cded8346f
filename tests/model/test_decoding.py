"""The settings of generation that do not go together are refused."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import InputError
from tunesmith.model.decoding import GREEDY, Decoding


def test_the_likeliest_token_unless_something_else_is_said() -> None:
    assert (GREEDY.num_beams, GREEDY.temperature, GREEDY.stop) == (1, 0.0, ())


def test_what_nothing_would_read_is_refused() -> None:
    with pytest.raises(InputError, match="num_beams and temperature exclude each other"):
        Decoding(num_beams=2, temperature=0.5)
    with pytest.raises(InputError, match="length_penalty is read in a beam search alone"):
        Decoding(length_penalty=2.0)
