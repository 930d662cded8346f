"""Are groups treated alike: the rates of each group, the gaps between them, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Classes = npt.NDArray[np.int64]

SMALLEST = 30  # rows of a group, below which it is not compared with others
CELL = 10  # rows of a group that have, or have not, a label: below that a rate among them is not compared
RESAMPLES = 1000
FAIRER_WHEN_HIGH = ("demographic_parity_ratio", "worst_group_accuracy")


class Interval(NamedTuple):
    """A value with the ends of its 95% interval; NaN where it is not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Answers:
    """What a model said of rows, as decisions: whether a row gets a label.

    ``chosen``  (rows, decisions) whether it was given the label; ``wanted`` (rows, decisions) whether it has it
    ``right``   (rows,) how right the whole answer is, 0 to 1
    ``groups``  (rows,) the number of the group that each row is of, from 0
    ``times``   (rows,) how often each row counts
    """

    chosen: Flags
    wanted: Flags
    right: Numbers
    groups: Classes
    times: Numbers


@dataclass(frozen=True)
class Rates:
    """What each group got; NaN where it has too few rows for that.

    ``rows``  (groups,) how many rows it has; ``accuracy`` (groups,) how right the answers are
    ``selection``, ``true_positive``, ``false_positive``  (groups, decisions) the share that was given the label: of all rows, of those
    that have it, of those that have it not
    """

    rows: Numbers
    accuracy: Numbers
    selection: Numbers
    true_positive: Numbers
    false_positive: Numbers


def decisions(predicted: npt.ArrayLike, truth: npt.ArrayLike, num_classes: int) -> tuple[Flags, Flags]:
    """Classes (rows,) as decisions, (rows, classes) each; of two classes the second alone, the first being its opposite."""
    first = 1 if num_classes == 2 else 0
    columns = np.arange(first, num_classes)
    return np.asarray(predicted)[:, None] == columns, np.asarray(truth)[:, None] == columns


def answers(chosen: Flags, wanted: Flags, right: npt.ArrayLike, groups: npt.ArrayLike) -> Answers:
    """Answers of rows that count once each. Raises ``ValueError`` where there is not one of everything for each row."""
    found = Answers(chosen, wanted, np.asarray(right, float), np.asarray(groups, np.int64), np.ones(len(chosen)))
    if len({len(found.chosen), len(found.wanted), len(found.right), len(found.groups)}) > 1 or chosen.shape != wanted.shape:
        raise ValueError(f"rows differ: {chosen.shape}, {wanted.shape}, {found.right.shape}, {found.groups.shape}")
    return found


def rates(given: Answers, times: Numbers | None = None) -> Rates:
    """The rates of each group, rows counting ``times`` (rows,). Which groups are large enough is said by the rows as they are."""
    whole = _counts(given, given.times)
    now = whole if times is None else _counts(given, times)
    large = whole["rows"] >= SMALLEST
    having, having_not = (large[:, None] & (whole[of] >= CELL) for of in ("wanted", "other"))
    return Rates(
        rows=whole["rows"],
        accuracy=_share(now["right"], now["rows"], large),
        selection=_share(now["chosen"], now["rows"][:, None], large[:, None]),
        true_positive=_share(now["hit"], now["wanted"], having),
        false_positive=_share(now["chosen"] - now["hit"], now["other"], having_not),
    )


def measures(found: Rates) -> dict[str, float]:
    """How unlike groups are treated, each NaN where fewer than two groups can be compared.

    ``demographic_parity_difference``  the largest less the smallest selection rate of a label; ``_ratio`` the smallest by the largest
    ``equal_opportunity_difference``   the same of true positive rates
    ``equalised_odds_difference``      the larger of that and the same of false positive rates
    ``accuracy_difference``, ``worst_group_accuracy``  of how right the answers are

    Of several labels the one decides in which groups differ most.

    Source: Hardt, Price and Srebro 2016, "Equality of Opportunity in Supervised Learning", definitions 2.1 and 2.2; differences between the
    extreme groups, and ratios, as fairlearn has them; worst group: Sagawa et al. 2020.
    """
    selected, hits, false = (_spread(values) for values in (found.selection, found.true_positive, found.false_positive))
    low, high = _spread(found.accuracy)
    ratio = np.divide(selected[0], selected[1], out=np.full(selected[0].shape, math.nan), where=selected[1] > 0)
    opportunity = _largest(hits[1] - hits[0])
    return {
        "accuracy_difference": float(high - low),
        "worst_group_accuracy": float(low),
        "demographic_parity_difference": _largest(selected[1] - selected[0]),
        "demographic_parity_ratio": -_largest(-ratio),
        "equal_opportunity_difference": opportunity,
        "equalised_odds_difference": _largest(np.array([opportunity, _largest(false[1] - false[0])])),
    }


def with_intervals(
    models: Mapping[str, Answers], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[dict[str, dict[str, Interval]], dict[str, Interval]]:
    """The measures of each model on the same rows, and how each measure changed from the first model to the last.

    The intervals are percentiles over resampled rows, the same rows for all models. What is the largest less the smallest is never below 0,
    and resampling adds to it: such an interval lies a little high, while that of a change does not.
    """
    alike = _alike(models)
    times = next(iter(alike.values())).times
    total = int(times.sum())
    draws = np.random.default_rng(seed).multinomial(total, times / total, size=resamples).astype(float)
    drawn = {name: [measures(rates(given, draw)) for draw in draws] for name, given in alike.items()}
    found = {name: measures(rates(given)) for name, given in models.items()}
    first, last = next(iter(models)), list(models)[-1]

    def interval(value: float, over: Sequence[float]) -> Interval:
        defined = [one for one in over if math.isfinite(one)]
        known = math.isfinite(value) and len(defined) > 1
        return Interval(value, *(np.percentile(defined, [2.5, 97.5]).tolist() if known else (math.nan, math.nan)))

    def over(name: str, measure: str) -> list[float]:
        return [draw[measure] for draw in drawn[name]]

    of_models = {name: {m: interval(value, over(name, m)) for m, value in own.items()} for name, own in found.items()}
    changes = {
        m: interval(found[last][m] - found[first][m], [a - b for a, b in zip(over(last, m), over(first, m), strict=True)])
        for m in found[last]
    }
    return of_models, changes if len(models) > 1 else {}


def widened(measure: str, change: Interval) -> float:
    """By how much a change made groups less alike: above 0 where it did; NaN where that is not known."""
    return -change.value if measure in FAIRER_WHEN_HIGH else change.value


def surely(change: Interval) -> bool:
    """Whether the interval of a change leaves 0 out."""
    return change.low > 0 or change.high < 0


def _alike(models: Mapping[str, Answers]) -> dict[str, Answers]:
    """The answers with rows that are alike in everything as one that counts several times, so that resampling many takes no longer."""
    parts = [part for given in models.values() for part in (given.chosen, given.wanted, given.right[:, None], given.groups[:, None])]
    _, kept, counts = np.unique(np.concatenate(parts, axis=1), axis=0, return_index=True, return_counts=True)
    return {
        name: Answers(given.chosen[kept], given.wanted[kept], given.right[kept], given.groups[kept], counts.astype(float))
        for name, given in models.items()
    }


def _counts(given: Answers, times: Numbers) -> dict[str, Numbers]:
    """How many rows of each group count for what: (groups,), and (groups, decisions)."""
    members = (given.groups == np.arange(given.groups.max() + 1)[:, None]) * times  # (groups, rows)
    rows, wanted = members.sum(axis=1), members @ given.wanted
    return {
        "rows": rows,
        "right": members @ given.right,
        "chosen": members @ given.chosen,
        "wanted": wanted,
        "other": rows[:, None] - wanted,
        "hit": members @ (given.chosen & given.wanted),
    }


def _share(part: Numbers, whole: Numbers, enough: Flags) -> Numbers:
    """``part`` by ``whole`` where that is ``enough``, else NaN."""
    whole = np.broadcast_to(whole, part.shape)
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, math.nan), where=enough & (whole > 0)))


def _spread(values: Numbers) -> tuple[Numbers, Numbers]:
    """The smallest and the largest value over groups, the first dimension; NaN where fewer than two have one."""
    known = ~np.isnan(values)
    several = known.sum(axis=0) > 1
    low, high = np.where(known, values, math.inf).min(axis=0), np.where(known, values, -math.inf).max(axis=0)
    return np.where(several, low, math.nan), np.where(several, high, math.nan)


def _largest(values: Numbers) -> float:
    """The largest that is no NaN; NaN where there is none."""
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else math.nan
