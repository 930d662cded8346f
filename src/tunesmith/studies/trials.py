"""The trials of a search: what was tried and what came of it, each in a file of its own, and what to try next."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import ResourceError
from tunesmith.core.run import seed_of
from tunesmith.model.files import read_json
from tunesmith.recipes.search import Dimension, Range, Search
from tunesmith.report import folder as folders

if TYPE_CHECKING:
    import optuna

FILE = "trial.json"
BEGUN, DONE, CUT, FAILED = "begun", "done", "cut short", "failed"
DRAWS = 50  # draws of values that were tried already, after which a space is taken to be exhausted
TELLING = 4  # finished trials from which importances are told


@dataclass(frozen=True)
class Trial:
    """One recipe that is tried.

    ``number``  from 1; ``values`` by dotted key of the recipe
    ``state``   begun, done, cut short or failed, for the last two with the ``reason``
    ``score``   the metric that decides on the validation rows, of the weights that would be shipped; None unless it is done
    ``curve``   the metric at each evaluation; None where it was not defined
    ``seconds`` wall-clock time, since it began or was resumed
    """

    number: int
    values: dict[str, Any]
    state: str = BEGUN
    reason: str = ""
    score: float | None = None
    curve: list[float | None] = field(default_factory=list)
    seconds: float = 0.0

    def signed(self, higher_is_better: bool) -> list[float]:
        """The curve with more being better, what was not defined being the worst."""
        sign = 1 if higher_is_better else -1
        return [-math.inf if value is None else sign * value for value in self.curve]

    def write(self, place: Path) -> None:
        folders.write_json(place / FILE, asdict(self))

    @classmethod
    def read(cls, place: Path) -> Trial | None:
        """The trial in a folder; None where none has begun there."""
        return cls(**read_json(place / FILE)) if (place / FILE).exists() else None


def best_of(trials: Sequence[Trial], higher_is_better: bool) -> Trial | None:
    """The first best of those that are done."""
    done = [trial for trial in trials if trial.score is not None]
    return max(done, key=lambda trial: (trial.score or 0.0) * (1 if higher_is_better else -1), default=None)


def next_values(search: Search, trials: Sequence[Trial], higher_is_better: bool, seed: int) -> dict[str, Any] | None:
    """What to try after these trials: a pure function of them and the seed. None where nothing new is found."""
    tried = [trial.values for trial in trials]
    if search.sampler == "grid":
        grid = search.grid()
        return grid[len(trials)] if len(trials) < len(grid) else None
    for draw in range(DRAWS):
        study = study_of(search, trials, higher_is_better, seed_of(seed, "search", len(trials), draw) % 2**32)
        asked = study.ask({path: distribution(of) for path, of in search.dimensions.items()}).params
        values = {path: asked[path] if isinstance(of, Range) else json.loads(asked[path]) for path, of in search.dimensions.items()}
        if values not in tried:
            return values
    return None


def study_of(search: Search, trials: Sequence[Trial], higher_is_better: bool, seed: int) -> optuna.Study:
    """The trials as optuna knows them, with the sampler of the search (Bergstra et al. 2011, section 4, for ``tpe``).

    A trial that failed is told as one that was cut short before its first evaluation, the worst that there is: the sampler then keeps
    away from what cannot be trained, where optuna would forget it. Raises ``ResourceError`` where optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ResourceError("optuna, which searches, is not installed", remedy="Run: pip install 'tunesmith[search]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    samplers: dict[str, Callable[[], optuna.samplers.BaseSampler | None]] = {
        "tpe": lambda: optuna.samplers.TPESampler(n_startup_trials=search.startup, seed=seed),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "grid": lambda: None,
    }
    direction = optuna.study.StudyDirection.MAXIMIZE if higher_is_better else optuna.study.StudyDirection.MINIMIZE
    study = optuna.create_study(sampler=samplers[search.sampler](), direction=direction)
    dimensions = search.dimensions
    space = {path: distribution(of) for path, of in dimensions.items()}
    for trial in trials:
        params = {path: value if isinstance(dimensions[path], Range) else json.dumps(value) for path, value in trial.values.items()}
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.COMPLETE if trial.state == DONE else optuna.trial.TrialState.PRUNED,
                value=trial.score,
                params=params,
                distributions=space,
                intermediate_values={} if trial.state == FAILED else {n: v for n, v in enumerate(trial.curve, 1) if v is not None},
            )
        )
    return study


def distribution(of: Dimension) -> optuna.distributions.BaseDistribution:
    """What a key may be, for optuna: it knows a value of a list by its JSON text."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(of, Range):
        return CategoricalDistribution([json.dumps(value) for value in of])
    high = of.values()[-1] if of.step is not None else of.high
    if of.whole:
        return IntDistribution(int(of.low), int(high), log=of.scale == "log", step=1 if of.step is None else int(of.step))
    return FloatDistribution(of.low, high, log=of.scale == "log", step=of.step)


def importances(search: Search, trials: Sequence[Trial], higher_is_better: bool) -> dict[str, float]:
    """The share of the differences between scores that each key explains, the largest first; empty where too few trials are done.

    Source: Hutter et al. 2014, "An Efficient Approach for Assessing Hyperparameter Importance", section 3 (functional ANOVA).
    """
    scores = {trial.score for trial in trials if trial.state == DONE}
    if len(search.dimensions) < 2 or len(scores) < TELLING:
        return {}
    study = study_of(search, trials, higher_is_better, seed=0)
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    found: Mapping[str, float] = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {path: float(share) for path, share in found.items()}
