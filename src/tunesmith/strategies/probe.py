"""Linear probe, alone or before tuning: the head learns on fixed features first."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tunesmith.core.clock import Clock, Span
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy


@dataclass
class Probe(Strategy):
    """Lets the head alone learn, for the whole run (linear probe) or until a time from which everything does (LP-FT).

    Formula: w with depth(w) <= L learns from step ``until`` on, at ``tuned_rate`` times the rate; the head always learns.
    Use when: as a yardstick, or data are few and later ones will differ from them: a fitted head sends small gradients into good layers.
    Cost: memory x0.3 and time x0.4, with frozen layers computed once for each row even x0.05; x1 after the probe.
    Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", section 3.4 (LP-FT).
    Differs: one run with one schedule, where the paper has two; a pooler is part of the head; what an adapter adds waits as layers do.
    """

    until: Span = setting(Span(100, "%"), "how long the head learns alone: 30%, 1ep, 200st; 100% is a linear probe, 0% does nothing")
    tuned_rate: float = setting(1.0, "multiple of the learning rate of all but the head, once it learns; 0.1 is usual", above=0)

    @classmethod
    def example(cls) -> Probe:
        return cls(until=Span(2, "st"), tuned_rate=0.5)

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        if param.head:
            return rule
        begun = clock.step >= self.until.steps(clock)
        return replace(rule, learns=rule.learns and begun, rate=rule.rate * self.tuned_rate)

    def begin(self, run: Run) -> None:
        alone = min(self.until.steps(run.clock), run.clock.total)
        if not any(param.head for param in run.params.values()):
            run.say("probe: the model has no head, so nothing learns until the rest does")
        if alone == 0:
            run.say("probe: the head never learns alone; give until more time")
        elif alone == run.clock.total:
            run.say("probe: only the head learns")
