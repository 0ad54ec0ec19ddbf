"""Slopes of costs: known curves are found again, and what says nothing is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.growth import curve, curve_of

SIZES = (10, 100, 1_000, 10_000)


@given(st.floats(0.0, 2.0), st.floats(1e-3, 1e3))
def test_the_exponent_of_a_power_is_found(exponent: float, factor: float) -> None:
    found = curve("devices", "work", "ms", [(size, factor * size**exponent) for size in SIZES])
    assert found.exponent == pytest.approx(exponent, abs=1e-6)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_what_one_more_adds_is_found_above_what_is_there_anyway(each: float, anyway: float) -> None:
    found = curve("devices", "memory", "MiB", [(size, anyway + each * size) for size in SIZES])
    assert found.each == pytest.approx(each, rel=1e-6)


def test_a_curve_survives_its_document() -> None:
    found = curve("rows", "disk", "MiB", [(10, 1.0), (100, 2.0), (1_000, 4.0)])
    assert curve_of(found.document()) == found


@pytest.mark.parametrize(
    "points",
    [
        pytest.param([(10, 1.0), (100, 1.0)], id="two sizes"),
        pytest.param([(10, 1.0), (50, 1.0), (500, 1.0)], id="not a decade apart"),
        pytest.param([(10, 1.0), (100, 0.0), (1_000, 1.0)], id="no cost"),
    ],
)
def test_what_says_nothing_is_refused(points: list[tuple[int, float]]) -> None:
    with pytest.raises(ValueError, match="rows, disk"):
        curve("rows", "disk", "MiB", points)
