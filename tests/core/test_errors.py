"""The text of problems, and the exit codes of errors."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import (
    DivergedError,
    InputError,
    IntegrityError,
    InterruptedRunError,
    Problem,
    ResourceError,
    TunesmithError,
    shown,
)


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("it is empty", "Give it rows", "a.csv", 7, "text"), "a.csv:7 text: it is empty. Give it rows."),
        (Problem("it is empty", "Give it rows", "a.csv", 7, 3), "a.csv:7 3: it is empty. Give it rows."),
        (Problem("it is empty", "Give it rows", "a.csv"), "a.csv: it is empty. Give it rows."),
        (Problem("it is empty", file="a.csv", line=7), "a.csv:7: it is empty."),
        (Problem("it is empty", column="text"), "text: it is empty."),
        (Problem("it is empty"), "it is empty."),
        (Problem("There is no key 'rat'", "Did you mean rate?"), "There is no key 'rat'. Did you mean rate?"),
        (Problem("It ends.", "Stop!"), "It ends. Stop!"),
        (Problem("it is empty", file="a.csv").about("data.train"), "data.train: a.csv: it is empty."),
        (Problem("task.metric is odd", key="task.metric"), "task.metric is odd."),
        (Problem("it is empty", file="a.csv", line=7).about("data.train"), "a.csv:7: it is empty."),
        (Problem("it is odd", key="data.shots").about("data"), "data.shots: it is odd."),
    ],
)
def test_a_problem_says_where_what_and_the_remedy(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_an_error_shows_each_problem_on_its_line() -> None:
    error = InputError(Problem("one", file="a.csv"), "two", remedy="Mend it")
    assert str(error) == "a.csv: one.\ntwo. Mend it."
    assert [problem.remedy for problem in error.problems] == ["", "Mend it"]


def test_problems_beyond_the_twentieth_are_counted() -> None:
    assert len(shown(Problem(str(i)) for i in range(20))) == 20
    lines = shown(Problem(str(i)) for i in range(1_234))
    assert lines[19:] == ["19.", "... and 1,214 more."]
    assert shown([Problem("a"), Problem("b"), Problem("c")], limit=1) == ["a.", "... and 2 more."]
    assert shown([]) == []


def test_exit_codes_tell_who_can_mend_it() -> None:
    tree = (TunesmithError, InputError, ResourceError, DivergedError, IntegrityError, InterruptedRunError)
    assert [error.exit_code for error in tree] == [1, 2, 3, 4, 5, 130]
    assert all(issubclass(error, TunesmithError) for error in tree)
