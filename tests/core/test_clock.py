"""Spans of time and the clock: what is read, what is refused, when things are due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.clock import Clock, Span
from tunesmith.core.errors import InputError

lengths = st.floats(0, 1e9) | st.integers(0, 10**9)
spans = st.builds(Span, st.floats(0, 100), st.sampled_from(("ep", "st", "%")))


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("3ep", 3, "ep"),
        ("500st", 500, "st"),
        ("40%", 40, "%"),
        (" 1.5 ep ", 1.5, "ep"),
        (".5", 0.5, "ep"),
        ("1e3st", 1000, "st"),
        (2, 2, "ep"),
    ],
)
def test_a_length_of_time_is_read(text: str | int, value: float, unit: str) -> None:
    assert Span.parse(text) == Span(value, unit)


def test_a_bare_number_has_the_natural_unit() -> None:
    assert Span.parse("200", natural="st") == Span(200, "st")
    assert Span.parse(200.0, natural="st") == Span(200, "st")
    assert Span.parse("2ep", natural="st") == Span(2, "ep")


def test_a_span_is_read_as_itself() -> None:
    assert Span.parse(Span(3, "st"), natural="ep") == Span(3, "st")


@pytest.mark.parametrize("text", ["", "ep", "-1ep", "3 epochs", "3sp", "1e999st", "nan", "inf", "--5", "1.2.3", "5%%", True, None, [3]])
def test_what_is_no_length_of_time_is_refused(text: object) -> None:
    with pytest.raises(InputError, match=r"is not a length of time\. Write 3ep"):
        Span.parse(text)  # type: ignore[arg-type]


def test_a_share_above_the_whole_run_is_refused() -> None:
    assert Span.parse("100%") == Span(100, "%")
    with pytest.raises(InputError, match=r"'101%' is more than the whole run\. Write a share"):
        Span.parse("101%")


@given(spans)
def test_what_is_written_reads_back(span: Span) -> None:
    assert Span.parse(str(span)) == span


@pytest.mark.parametrize(("span", "text"), [(Span(3, "ep"), "3ep"), (Span(2.5, "%"), "2.5%"), (Span(1_234_567, "st"), "1234567st")])
def test_a_span_is_written_as_people_do(span: Span, text: str) -> None:
    assert str(span) == text


@given(st.text(max_size=12) | st.text("0123456789.eE+-%stp ", max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        span = Span.parse(text)
    except InputError:
        return
    assert Span.parse(str(span)) == span


@pytest.mark.parametrize(
    ("text", "steps"),
    [("1ep", 30), ("2ep", 60), ("0.5ep", 15), ("0.05ep", 2), ("0.01ep", 0), ("7st", 7), ("50%", 60), ("100%", 120), ("0%", 0)],
)
def test_spans_become_steps_of_a_run(text: str, steps: int) -> None:
    assert Span.parse(text).steps(Clock(0, total=120, steps_per_epoch=30)) == steps


@given(lengths, st.integers(1, 10**6), st.integers(1, 10**4))
def test_steps_are_the_nearest_whole_number(value: float, total: int, steps_per_epoch: int) -> None:
    assert abs(Span(value, "ep").steps(Clock(0, total, steps_per_epoch)) - value * steps_per_epoch) <= 0.5 + 1e-6 * value


def test_a_tick_counts_one_step_and_what_it_saw() -> None:
    clock = Clock(0, total=4, steps_per_epoch=2).tick(16, 100).tick(8, 60)
    assert clock == Clock(2, total=4, steps_per_epoch=2, samples=24, tokens=160)
    assert (clock.epoch, clock.progress, clock.finished) == (1.0, 0.5, False)
    assert clock.at(4).finished
    assert clock.at(4).samples == 24


def test_a_run_without_steps_is_finished() -> None:
    clock = Clock(0, total=0, steps_per_epoch=0)
    assert (clock.epoch, clock.progress, clock.finished) == (0.0, 0.0, True)


def due(every: Span, total: int = 10) -> list[int]:
    return [step for step in range(total + 1) if Clock(step, total, steps_per_epoch=4).due(every)]


def test_what_is_due_falls_on_multiples_and_on_the_end() -> None:
    assert due(Span(3, "st")) == [3, 6, 9, 10]
    assert due(Span(1, "ep")) == [4, 8, 10]
    assert due(Span(50, "%")) == [5, 10]
    assert due(Span(99, "ep")) == [10]


@pytest.mark.parametrize("every", ["0st", "1st", "3st", "5st", "1ep", "25%", "50%", "99ep"])
@pytest.mark.parametrize("total", [0, 1, 9, 10, 12])
def test_times_are_counted_without_going_through_the_run(every: str, total: int) -> None:
    assert Clock(0, total, steps_per_epoch=4).times(Span.parse(every)) == len(due(Span.parse(every), total))


def test_what_is_always_due_is_due_after_every_step_and_not_before_the_first() -> None:
    assert due(Span(0, "st")) == due(Span(0.01, "ep")) == list(range(1, 11))
