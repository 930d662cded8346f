"""What every task shares."""

from __future__ import annotations

import pytest

from tunesmith.core.task import Column, RowError, Task


def test_a_task_must_say_what_it_does() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Task()  # type: ignore[abstract]


def test_a_column_is_required_and_no_answer_unless_it_says_so() -> None:
    assert Column("text", ("text", "review")) == Column("text", ("text", "review"), required=True, truth=False)


def test_a_row_error_keeps_what_the_reader_of_the_data_needs() -> None:
    error = RowError("the text is empty", "Give it a text", "text")
    assert (error.message, error.remedy, error.column, str(error)) == ("the text is empty", "Give it a text", "text", "the text is empty")
