"""What reaches a terminal."""

import unicodedata
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from deploy.flockctl.text import MAX_SHOWN_LENGTH, is_printable, local_moment, local_time, printable


@given(st.text())
def test_printable_leaves_nothing_that_steers_a_terminal(text: str) -> None:
    shown = printable(text)

    assert is_printable(shown)
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs"} for character in shown)


@given(st.text(alphabet=st.characters(categories=["L", "N", "P"]), max_size=MAX_SHOWN_LENGTH))
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_long_text_is_cut() -> None:
    assert printable("x" * 10**6) == "x" * (MAX_SHOWN_LENGTH - 1) + "…"


def test_escapes_can_be_read() -> None:
    assert printable("a\x1b[31mb\u202e") == "a\\x1b[31mb\\u202e"
    assert printable(None) == ""
    assert printable(7) == "7"


def test_a_time_is_shown_to_the_second_and_other_text_safely() -> None:
    shown = local_time("2026-11-25T10:00:00.123456+00:00")
    assert datetime.fromisoformat(shown) == datetime(2026, 11, 25, 10, tzinfo=UTC)  # so it says its offset
    assert shown[10] == " "
    assert local_moment(0.0) == local_time("1970-01-01T00:00:00+00:00")
    assert local_time(None) == ""
    assert local_time("\x07soon") == "\\x07soon"
