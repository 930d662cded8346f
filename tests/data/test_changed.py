"""Rows before and after they were changed, as texts."""

from __future__ import annotations

from collections.abc import Iterator

import tiny
from tunesmith.core.task import Row
from tunesmith.data.changed import EXAMPLES, changed_texts


def test_the_first_that_differ_are_shown_without_special_tokens() -> None:
    tokenizer = tiny.tokenizer()
    asked = []

    def pairs() -> Iterator[tuple[Row, Row]]:
        for number in range(50):
            asked.append(number)
            before, after = ("a good film", "a film good" if number % 2 else "a good film")
            yield {"input_ids": tokenizer(before)["input_ids"]}, {"input_ids": tokenizer(after)["input_ids"]}

    assert changed_texts(pairs(), tokenizer) == [("a good film", "a film good")] * EXAMPLES
    assert len(asked) == 2 * EXAMPLES
