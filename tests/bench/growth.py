"""How a cost grows with a size: points a decade apart, and the two slopes that say it. Pure."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from attrs import frozen

from tests.bench.figures import slope

DECADE: Final = 10
FEWEST: Final = 3
"""Sizes below which a slope says nothing."""


@frozen
class Curve:
    """What something costs, in `unit`, at so many of `subject`."""

    subject: str
    what: str
    unit: str
    points: tuple[tuple[int, float], ...]

    @property
    def exponent(self) -> float:
        """The slope of the logarithms: 0 is a cost that stays, 1 one that doubles with the size."""
        return slope([(math.log(size), math.log(cost)) for size, cost in self.points])

    @property
    def each(self) -> float:
        """The slope of the costs themselves: what one more adds, in `unit`."""
        return slope(self.points)

    def document(self) -> dict[str, Any]:
        """Everything, for JSON."""
        points = [list(point) for point in self.points]
        named = {"subject": self.subject, "what": self.what, "unit": self.unit}
        return {**named, "points": points, "exponent": self.exponent, "each": self.each}


def curve_of(document: Mapping[str, Any]) -> Curve:
    """The curve that `document` was made of."""
    points = tuple((int(size), float(cost)) for size, cost in document["points"])
    return Curve(document["subject"], document["what"], document["unit"], points)


def curve(subject: str, what: str, unit: str, points: Sequence[tuple[int, float]]) -> Curve:
    """A curve whose slopes say something.

    Raises:
        ValueError: There are fewer than three sizes, or two that are less than a decade apart, or a cost that is none.
    """
    sizes = [size for size, _ in points]
    if len(sizes) < FEWEST or any(size < DECADE * before for before, size in pairwise(sizes)):
        raise ValueError(f"{subject}, {what}: {sizes} are not three sizes a decade apart")
    if any(cost <= 0 for _, cost in points):
        raise ValueError(f"{subject}, {what}: nothing costs nothing: {points}")
    return Curve(subject, what, unit, tuple(points))
