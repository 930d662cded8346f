"""Geometry of the figures: values to percent of a side, round ticks, smoothing, thinning."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """One axis, from ``low`` to ``high``, with a tick every ``step``."""

    low: float
    high: float
    step: float

    @classmethod
    def around(cls, values: Iterable[float], ticks: int = 5, tight: bool = False) -> Scale:
        """The axis that holds all values, with about so many ticks; its ends are ticks too unless it is ``tight``."""
        finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        spread = high - low or abs(high) or 1.0
        power = 10.0 ** math.floor(math.log10(spread / ticks))
        step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if spread / (factor * power) <= ticks)
        if tight:
            return cls(low, low + spread, step)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        return cls(first * step, max(last, first + 1) * step, step)

    def at(self, value: float) -> float:
        """Where a value stands, in percent of the axis, 0 to 100."""
        return round(min(100.0, max(0.0, 100 * (value - self.low) / (self.high - self.low))), 2)

    def ticks(self) -> list[float]:
        first, last = math.ceil(self.low / self.step - 1e-6), math.floor(self.high / self.step + 1e-6)
        return [round(self.step * index, 12) for index in range(first, last + 1)]


def finite(points: Iterable[Sequence[float | None]]) -> list[Point]:
    """The points whose coordinates are both numbers."""
    return [(float(x), float(y)) for x, y in points if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)]


def smooth(points: Sequence[Point], window: int) -> list[Point]:
    """Exponential moving average over about ``window`` points, corrected for its start."""
    keep = 1 - 2 / (window + 1)
    total = weight = 0.0
    averaged = []
    for x, y in points:
        total, weight = keep * total + (1 - keep) * y, keep * weight + (1 - keep)
        averaged.append((x, total / weight))
    return averaged


def thin(points: Sequence[Point], most: int = 240) -> list[Point]:
    """At most about ``most`` points: the lowest and the highest of each stretch, so that no spike is lost."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(2 * len(points) / most)
    return [point for part in _parts(points, size) for point in sorted({min(part, key=_height), max(part, key=_height)})]


def _parts(points: Sequence[Point], size: int) -> Iterator[Sequence[Point]]:
    return (points[start : start + size] for start in range(0, len(points), size))


def _height(point: Point) -> float:
    return point[1]
