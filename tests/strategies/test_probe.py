"""The probe: who learns when, at which rate, and what it says."""

from __future__ import annotations

from tunesmith.core.clock import Span
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.strategies.probe import Probe


def rules(strategy: Probe, run: Run, step: int) -> dict[str, Rule]:
    return {name: strategy.plan(param, Rule(), run.clock.at(step)) for name, param in run.params.items()}


def test_a_linear_probe_is_the_head_alone_to_the_end(run: Run) -> None:
    found = rules(Probe(), run, 39)
    assert {name for name, rule in found.items() if rule.learns} == {name for name, param in run.params.items() if param.depth == 4}


def test_after_the_probe_all_learn_the_rest_more_slowly(run: Run) -> None:
    strategy = Probe(until=Span(25, "%"), tuned_rate=0.1)
    assert not rules(strategy, run, 9)["layers.0.mlp.weight"].learns
    found = rules(strategy, run, 10)
    assert found["layers.0.mlp.weight"] == Rule(rate=0.1)
    assert found["classifier.weight"] == Rule()


def test_no_other_rule_is_undone(run: Run) -> None:
    strategy = Probe(until=Span(0, "st"))
    assert not strategy.plan(run.params["layers.0.mlp.weight"], Rule(learns=False), run.clock).learns
    assert not strategy.plan(run.params["classifier.weight"], Rule(learns=False), run.clock).learns


def test_it_says_what_it_does(run: Run, said: list[str]) -> None:
    for until in (Span(100, "%"), Span(0, "st"), Span(10, "st")):
        Probe(until=until).begin(run)
    assert said == ["probe: only the head learns", "probe: the head never learns alone; give until more time"]
