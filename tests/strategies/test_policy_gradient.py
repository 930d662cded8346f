"""Policy gradient: rewards rise, what teaches nothing is told, and what cannot work is refused."""

from __future__ import annotations

from typing import Any

import pytest

from training import writing_fit
from tunesmith.core.clock import Span
from tunesmith.core.errors import InputError
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run
from tunesmith.recipes.document import Document
from tunesmith.recipes.validate import build
from tunesmith.strategies.kl_to_base import KLToBase
from tunesmith.strategies.policy_gradient import PolicyGradient


class Watching(Observer):
    """Keeps what is said, and the shares of each step."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.shares: list[dict[str, float]] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    def step(self, run: Run, record: Record) -> str | None:
        self.shares.append(dict(record.parts))
        return None


def rewarded(steps: int = 6, **settings: Any) -> tuple[Watching, PolicyGradient]:
    watching = Watching()
    strategy = PolicyGradient(**{"reward": "length", "num_words": 3, "max_new_tokens": 4} | settings)
    writing_fit(None, [strategy, watching], steps=steps, evaluate_every=Span(steps, "st"))
    return watching, strategy


@pytest.mark.parametrize("baseline", ["group", "leave_one_out", "greedy"])
def test_rewards_rise(baseline: str) -> None:
    watching, _ = rewarded(24, reward="pattern", pattern="[aeiou]", baseline=baseline, group=6, kl=0.0, max_new_tokens=1)
    first, last = (sum(shares["reward"] for shares in part) / 4 for part in (watching.shares[:4], watching.shares[-4:]))
    assert last > first + 0.1
    first, last = (sum(shares["reward"] for shares in part) / 2 for part in (watching.shares[:2], watching.shares[-2:]))
    told = f"the reward was {first:.3f} in the first tenth of the steps and {last:.3f} in the last"
    assert any(told in line for line in watching.lines)
    assert "kl" not in watching.shares[0]


def test_a_step_says_what_was_rewarded() -> None:
    watching, strategy = rewarded(kl=0.1)
    assert all(0 <= shares["reward"] <= 1 and 0 <= shares["no_spread"] <= 1 for shares in watching.shares)
    assert watching.shares[0]["kl"] == pytest.approx(0.0, abs=1e-5)
    assert watching.shares[-1]["kl"] > 1e-5
    assert "of the first answers, '" in watching.lines[0]
    assert strategy.groups == 6 * 4
    assert watching.lines[-1].endswith("of the questions all answers got one reward, and taught nothing")
    assert strategy.worth(["a b c", ""], ["", ""], ["", ""]) == [1.0, 0.0]


def test_rewards_that_never_differ_are_told_loudly() -> None:
    watching, strategy = rewarded(2, reward="pattern", pattern="^never$")
    assert strategy.flat == strategy.groups == 8
    [line] = [line for line in watching.lines if "NOTHING IS LEARNED" in line]
    assert "8 questions got the same reward (0.00 now)" in line


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group": 1}, "a group of 1 has no others"),
        ({"reward": "model"}, r"no model is named\. Write model"),
        ({"reward": "pattern"}, "no pattern is named"),
        ({"reward": "pattern", "pattern": "(a"}, "the pattern cannot be read"),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PolicyGradient(**settings)
    assert PolicyGradient(group=1, baseline="greedy").group == 1


def test_settings_that_nothing_reads_are_refused() -> None:
    document = Document({})
    build(PolicyGradient, {"reward": "rouge_l", "num_words": 3, "label": "good"}, document, ("policy_gradient",))
    assert [problem.message.partition(" is not read")[0].rpartition(".")[2] for problem in document.problems] == ["label", "num_words"]


def test_a_strategy_that_looks_at_logits_does_not_go_with_it() -> None:
    with pytest.raises(InputError, match="'kl_to_base' needs logits, which the objective of another strategy has not"):
        writing_fit(None, [PolicyGradient.example(), KLToBase()], steps=1)
