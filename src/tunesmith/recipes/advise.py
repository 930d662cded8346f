"""The advice: which strategies, rate and length suit a situation. Its rules are a table in ``advice.yaml``; this applies them."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from itertools import groupby
from operator import attrgetter
from typing import Any

from tunesmith.recipes import yaml
from tunesmith.recipes.cost import Effort, Work, flops, memory

TABLE = "advice.yaml"
TIGHTEST = {"tight_memory": 4, "tight_time": 3}  # the last step of each ladder
_COMPARED = {"<": operator.lt, ">=": operator.ge}


@dataclass(frozen=True)
class Situation:
    """What is known before anything is trained; rules ask for nothing else.

    ``task``          its name; ``reads`` text, or media
    ``model``         encoder, decoder or encoder_decoder
    ``parameters``    all of its weights
    ``rows``          of the training data; ``validation`` those of validation, 0 where there are none
    ``sentences``     whether rows are texts with a label each, and the model is an encoder that was made to compare sentences
    ``means``         whether it compares them by the mean of its states, and mean_pooling can let a head read that
    ``shots``         rows of an average class of such; infinitely many elsewhere
    ``classes``       how many such classes; 0 elsewhere
    ``imbalance``     rows of the most frequent class for one of the rarest; 0 where there are no classes, or they are weighted already
    ``logits``        whether strategies get at the scores behind the loss
    ``dropout``       whether the model has any
    ``head``          whether the model has a head that could learn alone
    ``new_head``      whether that head starts at random
    ``adapter``       whether it is an adapter on a base
    ``compares``      whether the task compares the rows of a micro-batch
    ``epochs``        passes that the recipe gives, until the advice does; 0 for neither
    ``tight_memory``  how often less memory had to be asked for, 0 to 4; ``tight_time`` the same of time, 0 to 3
    """

    task: str
    model: str
    parameters: int
    rows: int
    validation: int = 0
    sentences: bool = False
    means: bool = False
    shots: float = float("inf")
    classes: int = 0
    imbalance: float = 0.0
    reads: str = "text"
    logits: bool = True
    dropout: bool = True
    head: bool = True
    new_head: bool = True
    adapter: bool = False
    compares: bool = False
    epochs: float = 0.0
    tight_memory: int = 0
    tight_time: int = 0

    def roomy(self) -> Situation:
        """The same with memory and time enough, and before any advice."""
        return replace(self, tight_memory=0, tight_time=0, epochs=0.0)


@dataclass(frozen=True)
class Rule:
    """A row of the table; ``advice.yaml`` says what is what. ``section`` is that of benchmarks/README.md with the measurement."""

    topic: str
    rule: str
    when: Mapping[str, Any]
    why: str
    source: str
    measured: str | None
    section: str = ""
    strategies: list[dict[str, dict[str, Any]]] = field(default_factory=list)
    training: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)

    def fits(self, situation: Situation) -> bool:
        facts = vars(situation)
        return all(holds(facts[name], asked) for name, asked in self.when.items())

    def because(self, situation: Situation) -> str:
        """The facts that made it fit: ``rows 150 < 200``; that nothing is tight goes without saying."""
        facts = vars(situation)
        told = {name: asked for name, asked in self.when.items() if name not in TIGHTEST or facts[name]}
        return ", ".join(f"{name} {_shown(facts[name])}{_limit(asked)}" for name, asked in told.items())


@dataclass(frozen=True)
class Decision:
    """What one rule chose: ``choice`` in words, ``because`` the facts that it fits."""

    topic: str
    choice: str
    because: str
    why: str
    source: str
    measured: str | None

    def __str__(self) -> str:
        grounds = f" ({self.because})" if self.because else ""
        measured = f"measured here: {self.measured}" if self.measured else "not measured here"
        return f"{self.topic}: {self.choice}{grounds}: {self.why}. {self.source}; {measured}"


@dataclass(frozen=True)
class Advice:
    """``strategies`` as a recipe writes them, outermost first; ``training`` the settings that were chosen; ``effort`` what a step costs."""

    strategies: list[dict[str, dict[str, Any]]]
    training: dict[str, Any]
    decisions: list[Decision]
    effort: Effort
    situation: Situation


def holds(fact: Any, asked: Any) -> bool:
    """Whether a fact is what a rule asks for: ``"< 200"``, ``">= 1e9"``, a value, or one of a list of values."""
    sign, _, limit = asked.partition(" ") if isinstance(asked, str) else ("", "", "")
    if sign in _COMPARED:
        return bool(_COMPARED[sign](fact, float(limit)))
    return fact in asked if isinstance(asked, list) else bool(fact == asked)


@cache
def rules() -> tuple[Rule, ...]:
    """The table, in its order."""
    text = (files("tunesmith.recipes") / TABLE).read_text(encoding="utf-8")
    return tuple(Rule(**row) for row in yaml.parse(text, TABLE)[0])


def advise(situation: Situation, given: Collection[str] = ()) -> Advice:
    """What the rules choose; ``given`` are settings of training that the recipe decides itself. A pure function of both."""
    strategies: list[dict[str, dict[str, Any]]] = []
    training: dict[str, Any] = {}
    decisions: list[Decision] = []
    effort = Effort()
    for topic, choices in groupby(rules(), key=attrgetter("topic")):
        rule = next((rule for rule in choices if rule.fits(situation)), None)
        if rule is None:
            continue
        chosen = {name: value for name, value in rule.training.items() if name not in given and name not in training}
        kept = [f"training.{name} stays as the recipe has it" for name in rule.training if name in given]
        choice = [*map(_written, rule.strategies), *(f"training.{name} {value:g}" for name, value in chosen.items() if _number(value))]
        choice += [f"training.{name} {value}" for name, value in chosen.items() if not _number(value)] + kept
        if choice or not rule.training:
            said = "; ".join(choice) or "nothing is frozen or added"
            decisions.append(Decision(topic, said, rule.because(situation), rule.why, rule.source, rule.measured))
        strategies += rule.strategies
        training |= chosen
        effort = effort.after(**rule.cost)
        situation = replace(situation, epochs=situation.epochs if "epochs" in given else training.get("epochs", situation.epochs))
    return Advice(strategies, training, decisions, effort, situation)


def advise_within(situation: Situation, work: Work, most: Mapping[str, float], given: Collection[str] = ()) -> Advice:
    """The first advice whose cost keeps within the limits, or the last step of the ladder where none does.

    ``most`` may say ``memory`` in bytes and ``flops``, floating-point operations; ``work`` is what has to be done.
    """
    while True:
        advice = advise(situation, given)
        steps = {name: 1 for name in exceeded(advice, work, most) if getattr(situation, name) < TIGHTEST[name]}
        if not steps:
            return advice
        situation = replace(situation, **{name: getattr(situation, name) + step for name, step in steps.items()})


def exceeded(advice: Advice, work: Work, most: Mapping[str, float]) -> list[str]:
    """Which of ``tight_memory`` and ``tight_time`` the advice does not keep within."""
    done = work.with_training(advice.training, advice.situation.epochs)
    over = {"tight_memory": memory(done, advice.effort) > most.get("memory", float("inf"))}
    over["tight_time"] = flops(done, advice.effort) > most.get("flops", float("inf"))
    return [name for name, is_over in over.items() if is_over]


def _written(strategy: Mapping[str, Mapping[str, Any]]) -> str:
    ((name, settings),) = strategy.items()
    return " ".join([name, *(f"{key} {value}" for key, value in settings.items())])


def _number(value: Any) -> bool:
    return isinstance(value, int | float)


def _shown(fact: Any) -> str:
    if isinstance(fact, bool):
        return str(fact).lower()
    return f"{fact:,.4g}" if isinstance(fact, float) else f"{fact:,}" if _number(fact) else str(fact)


def _limit(asked: Any) -> str:
    return f" {asked}" if isinstance(asked, str) and asked.partition(" ")[0] in _COMPARED else ""
