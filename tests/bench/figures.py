"""From rounds to figures: ratios of pairs, their middle, and whether a bar is met. Pure."""

import math
from collections.abc import Sequence
from enum import Enum
from statistics import fmean, median
from typing import Any, Final

from attrs import asdict, frozen

P99: Final = 0.99


class Direction(Enum):
    """Which side of its bar a figure has to be on."""

    AT_LEAST = ">="
    AT_MOST = "<="


@frozen
class Bar:
    """What is to be reached."""

    direction: Direction
    limit: float

    def is_met(self, value: float) -> bool:
        """Whether `value` reaches it."""
        return value >= self.limit if self.direction is Direction.AT_LEAST else value <= self.limit


@frozen
class Pair:
    """What one round measured on our side and on the reference."""

    ours: float
    reference: float

    @property
    def ratio(self) -> float:
        """Ours by the reference."""
        return self.ours / self.reference


@frozen
class Row:
    """One line of the table. `value` is what the bar is about; a row without a bar shows how the cost grows."""

    bench: str
    what: str
    unit: str
    value: float
    lowest: float
    highest: float
    rounds: int
    bar: Bar | None = None
    ours: float | None = None
    reference: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or nothing where there is no bar."""
        if self.bar is None:
            return ""
        return "met" if self.bar.is_met(self.value) else "missed"

    def document(self) -> dict[str, Any]:
        """Everything, for JSON."""
        bar = None if self.bar is None else {"direction": self.bar.direction.value, "limit": self.bar.limit}
        return {**asdict(self), "bar": bar, "verdict": self.verdict}


def at_least(limit: float) -> Bar:
    """A bar from below."""
    return Bar(Direction.AT_LEAST, limit)


def at_most(limit: float) -> Bar:
    """A bar from above."""
    return Bar(Direction.AT_MOST, limit)


def ratio_row(
    bench: str,
    what: str,
    unit: str,
    pairs: Sequence[Pair],
    bar: Bar | None = None,
    *,
    by_mean: bool = False,
    note: str = "",
) -> Row:
    """The middle of the rounds' ratios: their median, or their mean where the bar says so."""
    ratios = [pair.ratio for pair in pairs]
    return Row(
        bench=bench,
        what=what,
        unit=unit,
        value=fmean(ratios) if by_mean else median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        rounds=len(ratios),
        bar=bar,
        ours=median(pair.ours for pair in pairs),
        reference=median(pair.reference for pair in pairs),
        note=note,
    )


def plain_row(
    bench: str, what: str, unit: str, values: Sequence[float], bar: Bar | None = None, *, note: str = ""
) -> Row:
    """The median of figures that have no reference but their bar."""
    return Row(
        bench=bench,
        what=what,
        unit=unit,
        value=median(values),
        lowest=min(values),
        highest=max(values),
        rounds=len(values),
        bar=bar,
        note=note,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the straight line through `points`, by least squares."""
    x_middle, y_middle = fmean(x for x, _ in points), fmean(y for _, y in points)
    return sum((x - x_middle) * (y - y_middle) for x, y in points) / sum((x - x_middle) ** 2 for x, _ in points)
