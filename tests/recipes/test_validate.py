"""Settings from what is written: types, ranges, choices, spans; and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.clock import Span
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.setting import setting
from tunesmith.recipes.document import Document, Place
from tunesmith.recipes.validate import as_plain, build, conform, described


@dataclass
class Toy:
    rows: Any = setting(text="where the rows are")
    rate: float = setting(0.5, "how fast", above=0, high=1)
    layers: int | None = setting(None, "how many", low=0)
    groups: list[float] = setting(factory=list, text="a number for each group", above=0)
    names: str | list[str] = setting("all", "which")
    mode: str = setting("slow", "how", choices=("slow", "fast"))
    warm: bool = setting(True, "whether it warms up")
    every: Annotated[Span, "st"] = setting(Span(10, "%"), "how often")
    until: Annotated[Span, "ep"] | None = setting(None, "how long", above=0)
    power: float = setting(2.0, "fast: how strong")

    applies: ClassVar[dict[str, tuple[str, tuple[Any, ...]]]] = {"power": ("mode", ("fast",))}

    def __post_init__(self) -> None:
        if self.layers == 13:
            raise InputError(Problem("13 brings bad luck", "Take 12"))


def made(**settings: Any) -> Toy:
    document = Document({})
    toy = build(Toy, {"rows": "x.csv", **settings}, document, ("toy",))
    document.finish()
    assert toy is not None
    return toy


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"rate": 1}, {"rate": 1.0}),
        ({"layers": 1e3}, {"layers": 1000}),
        ({"layers": None}, {"layers": None}),
        ({"groups": [1, 0.5]}, {"groups": [1.0, 0.5]}),
        ({"names": ["a"]}, {"names": ["a"]}),
        ({"warm": "off"}, {"warm": False}),
        ({"every": 500}, {"every": Span(500, "st")}),
        ({"every": "5%"}, {"every": Span(5, "%")}),
        ({"every": Span(2, "ep")}, {"every": Span(2, "ep")}),
        ({"until": 0.5}, {"until": Span(0.5, "ep")}),
        ({"until": None}, {"until": None}),
        ({"mode": "fast", "power": 3}, {"power": 3.0}),
        ({"rows": [{"text": "in memory"}]}, {"rows": [{"text": "in memory"}]}),
    ],
)
def test_what_is_accepted(settings: dict[str, Any], expected: dict[str, Any]) -> None:
    toy = made(**settings)
    for name, value in expected.items():
        assert getattr(toy, name) == value
        assert type(getattr(toy, name)) is type(value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0}, "toy.rate must be above 0 and at most 1, not 0. How fast."),
        ({"rate": 1.5}, "toy.rate must be above 0 and at most 1, not 1.5. How fast."),
        ({"rate": float("nan")}, "toy.rate must be finite, not nan. How fast."),
        ({"rate": "much"}, "toy.rate must be a number, not 'much'. How fast."),
        ({"rate": "0.5"}, "toy.rate must be a number, not '0.5'. How fast."),
        ({"rate": True}, "toy.rate must be a number, not True. How fast."),
        ({"rate": None}, "toy.rate must be a number, not null. How fast."),
        ({"layers": 2.5}, "toy.layers must be a whole number, not 2.5. How many."),
        ({"until": "0ep"}, "toy.until must be above 0, not '0ep'. How long."),
        ({"layers": -1}, "toy.layers must be at least 0, not -1. How many."),
        ({"groups": [1, 0]}, "toy.groups must be above 0, not [1, 0]. A number for each group."),
        ({"groups": 1}, "toy.groups must be a list (a number), not 1. A number for each group."),
        ({"names": 3}, "toy.names must be a text or a list (a text), not 3. Which."),
        ({"mode": "fats"}, "toy.mode must be slow or fast, not 'fats'. How."),
        ({"warm": "maybe"}, "toy.warm must be on or off, not 'maybe'. Whether it warms up."),
        ({"warm": 1}, "toy.warm must be on or off, not 1. Whether it warms up."),
        ({"every": 0.1}, "toy.every must be whole steps, or a share of the run: 10%, not 0.1. How often."),
        ({"every": "3 weeks"}, "toy.every: '3 weeks' is not a length of time. Write 3ep (epochs), 500st (steps) or 40% (of the run)."),
        ({"every": None}, "toy.every: 'None' is not a length of time."),
        ({"power": 2.0}, "toy.power is not read where mode is slow. Take it out, or choose mode: fast."),
        ({"layers": 13}, "13 brings bad luck. Take 12."),
        ({"modes": "fast"}, "There is no setting 'modes' in toy. Did you mean mode?"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        made(**settings)
    assert str(caught.value).startswith(message)
    assert len(caught.value.problems) == 1


def test_all_problems_at_once_each_at_its_place() -> None:
    document = Document(
        {}, {("toy",): Place("r.yaml", 3, 1), ("toy", "rate"): Place("r.yaml", 4, 3), ("toy", "mode"): Place("r.yaml", 5, 3)}
    )
    assert build(Toy, {"rate": 7, "mode": "x"}, document, ("toy",)) is None
    with pytest.raises(InputError) as caught:
        document.finish()
    assert str(caught.value).splitlines() == [
        "r.yaml:3 1: toy.rows is missing. Add rows: where the rows are.",
        "r.yaml:4 3: toy.rate must be above 0 and at most 1, not 7. How fast.",
        "r.yaml:5 3: toy.mode must be slow or fast, not 'x'. How.",
    ]


def test_settings_must_be_a_mapping() -> None:
    document = Document({})
    assert build(Toy, [1], document, ("toy",)) is None
    assert str(document.problems[0]) == "toy must be a mapping of settings. Write toy: {...}."


def test_an_instance_is_checked_and_copied() -> None:
    given = Toy(rows=[1], every="20%", rate=1)  # type: ignore[arg-type]
    document = Document({})
    copy = build(Toy, given, document, ("toy",))
    document.finish()
    assert copy is not None
    assert copy is not given
    assert (copy.every, given.every) == (Span(20, "%"), "20%")
    build(Toy, Toy(rows=1, rate=9.0), document, ("toy",))
    build(Toy, Toy(rows=1, power=3.0), document, ("toy",))
    assert [str(problem) for problem in document.problems] == [
        "toy.rate must be above 0 and at most 1, not 9.0. How fast.",
        "toy.power is not read where mode is slow. Take it out, or choose mode: fast.",
    ]


@given(
    rate=st.floats(1e-6, 1),
    layers=st.none() | st.integers(0, 12),
    groups=st.lists(st.floats(1e-3, 10), max_size=3),
    names=st.text(max_size=5) | st.lists(st.text(max_size=5), max_size=3),
    warm=st.booleans(),
    every=st.builds(Span, st.integers(0, 100).map(float), st.sampled_from(["ep", "st", "%"])),
    changed_only=st.booleans(),
)
def test_what_is_written_out_builds_an_equal_object(changed_only: bool, **settings: Any) -> None:
    toy = made(**settings)
    assert made(**as_plain(toy, changed_only)) == toy


def test_plain_values_leave_out_what_is_not_read() -> None:
    defaults = {"rate": 0.5, "layers": None, "groups": [], "names": "all", "mode": "slow", "warm": True, "every": "10%", "until": None}
    assert as_plain(made()) == {"rows": "x.csv", **defaults}
    assert as_plain(made(mode="fast"), changed_only=True) == {"rows": "x.csv", "mode": "fast"}
    assert "power" in as_plain(made(mode="fast"))


def test_data_in_memory_are_named_not_written() -> None:
    assert as_plain(made(rows=[{"text": "x"}]))["rows"] == "(list in memory)"
    assert as_plain(made(rows={"text": ["x"]}))["rows"] == "(dict in memory)"
    assert as_plain(made(rows=["x"] * 101))["rows"] == "(list in memory)"
    assert as_plain(made(rows=["a.csv", Path("b.csv")]))["rows"] == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int | list[str] | None, "a whole number or a list (a text)"),
        (dict[str, float], "a mapping (a text to a number)"),
        (Literal["a", "b"], "a or b"),
        (Annotated[bool, "x"], "on or off"),
        (tuple[int, ...], "a list (a whole number)"),
    ],
)
def test_types_in_words(hint: Any, words: str) -> None:
    assert described(hint) == words
    with pytest.raises(ValueError, match="must be"):
        conform(hint, object())


def test_lists_of_spans() -> None:
    assert conform(list[Span], ["1ep", 2]) == [Span(1, "ep"), Span(2, "ep")]
    with pytest.raises(InputError):
        conform(Span, ["1ep"])
