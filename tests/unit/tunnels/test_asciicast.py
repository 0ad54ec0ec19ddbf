"""Recordings as asciicasts of version 2."""

import json

from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.rules.asciicast import TOO_LONG, Cast


def test_the_first_line_says_what_it_is() -> None:
    head = json.loads(Cast(1_700_000_000.9, "visit 1").head)

    assert head == {"version": 2, "width": 80, "height": 24, "timestamp": 1_700_000_000, "title": "visit 1"}


@given(st.text(), st.lists(st.integers(0, 40)))
def test_what_was_seen_comes_back_however_it_was_cut(text: str, cuts: list[int]) -> None:
    octets, cast, lines = text.encode(), Cast(0, ""), ""
    for cut in cuts:
        lines += cast.seen(1.5, octets[:cut])
        octets = octets[cut:]
    lines += cast.seen(2.25, octets)

    events = [json.loads(line) for line in lines.splitlines()]
    assert "".join(data for _, _, data in events) == text
    assert {code for _, code, _ in events} <= {"o"}
    assert cast.octets == len(cast.head) + len(lines)
    assert lines.isascii()


@given(st.binary())
def test_whatever_comes_is_a_line_of_json_or_none(octets: bytes) -> None:
    line = Cast(0, "").seen(0.1, octets)

    assert line == "" or isinstance(json.loads(line), list)
    assert line.count("\n") <= 1


def test_it_ends_with_a_mark_where_it_grows_too_long() -> None:
    cast = Cast(0, "", most=200)

    assert cast.seen(1, b"x" * 50)
    assert json.loads(cast.seen(2, b"x" * 100)) == [2, "m", TOO_LONG]
    assert cast.is_truncated
    assert cast.seen(3, b"x") == ""
