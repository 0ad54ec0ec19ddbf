"""When transforms run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.realms.rules.schedules import is_schedule

RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


@st.composite
def fields(draw: st.DrawFn) -> str:
    """Five fields of cron."""
    said = []
    for low, high in RANGES:
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        said.append(
            draw(st.sampled_from(["*", f"{first}", f"{first}-{last}", "*/5", f"{first}-{last}/2", f"{low},{high}"]))
        )
    return draw(st.sampled_from([" ", "  ", "\t"])).join(said)


@given(fields())
def test_five_fields_within_their_ranges_are_a_schedule(text: str) -> None:
    assert is_schedule(text)


@pytest.mark.parametrize("text", ["*/5 * * * *", "0 0 * * 7", "0 0 1 JAN mon-fri", "0,30 8-18/2 * * 1,2,3"])
def test_these_are(text: str) -> None:
    assert is_schedule(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "* * * mon *",
        "1, * * * *",
        "@hourly",
        "\u0661 * * * *",
        "* * * * *; DROP",
    ],
)
def test_these_are_not(text: str) -> None:
    assert not is_schedule(text)


@given(st.text(max_size=40))
def test_any_text_is_one_or_is_not(text: str) -> None:
    assert is_schedule(text) in (True, False)
