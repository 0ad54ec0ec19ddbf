"""Patterns of URIs as sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironflock_router.patterns import (
    EXACT,
    OWN_SERIAL,
    PREFIX,
    WILDCARD,
    exactly,
    is_segment,
    parse_pattern,
    parse_request,
)

WORDS = ["re", "mgmt", "logs", "S1", "S2", "S", "term_write", "x"]
segments = st.sampled_from(WORDS)
uris = st.lists(segments, min_size=1, max_size=6).map(".".join)
patterns = st.tuples(
    st.lists(st.sampled_from([*WORDS, "*", "{serial}"]), min_size=1, max_size=4), st.sampled_from(["", ".**"])
).map(lambda parts: ".".join(parts[0]) + parts[1])


@st.composite
def patterns_and_requests(draw: st.DrawFn) -> tuple[str, str]:
    """A pattern, and a request near it: its words kept, or changed, or left empty; shorter, as long, or longer."""
    pattern = draw(patterns)
    near = {"{serial}": ["S1", "S1", "S2", ""], "*": ["x", ""], "**": ["x", "", "S2"]}
    parts = [draw(st.sampled_from(near.get(part, [part, part, part, "", "S1"]))) for part in pattern.split(".")]
    parts += draw(st.lists(st.sampled_from(["x", "S2", ""]), max_size=2))
    return pattern, ".".join(parts[: draw(st.integers(1, len(parts)))])


def covers(pattern: str, uri: str, match: str = EXACT, serial: str | None = "S1") -> bool:
    request = parse_request(uri, match)
    return request is not None and parse_pattern(pattern).covers(request, {OWN_SERIAL: exactly(serial)})


def reaches(pattern: str, match: str, uri: str) -> bool:
    """What Crossbar's broker does (router/observation.py): prefixes are texts, wildcards compare segment by segment."""
    if match == PREFIX:
        return uri.startswith(pattern)
    parts, others = pattern.split("."), uri.split(".")
    return len(parts) == len(others) and all(part in ("", other) for part, other in zip(parts, others, strict=True))


@given(patterns_and_requests(), uris)
def test_whatever_a_covered_prefix_is_continued_with_is_covered(near: tuple[str, str], more: str) -> None:
    pattern, prefix = near
    if covers(pattern, prefix, PREFIX):
        for uri in (prefix + more, f"{prefix}.{more}", f"{prefix}x.{more}"):
            assert reaches(prefix, PREFIX, uri)
            assert covers(pattern, uri) or parse_request(uri, EXACT) is None


@given(patterns_and_requests(), st.lists(segments, min_size=8, max_size=8))
def test_however_a_covered_wildcard_is_filled_in_the_uri_is_covered(near: tuple[str, str], words: list[str]) -> None:
    pattern, wildcard = near
    filled = ".".join(part or word for part, word in zip(wildcard.split("."), words, strict=False))
    assert reaches(wildcard, WILDCARD, filled)
    if covers(pattern, wildcard, WILDCARD):
        assert covers(pattern, filled)


@given(patterns_and_requests())
def test_a_request_that_is_refused_exactly_is_refused_as_a_wildcard_without_gaps(near: tuple[str, str]) -> None:
    pattern, uri = near
    if "" not in uri.split("."):
        assert covers(pattern, uri, WILDCARD) is covers(pattern, uri)


@given(patterns_and_requests(), st.sampled_from([EXACT, PREFIX, WILDCARD]))
def test_a_grant_of_the_own_serial_is_never_met_without_a_serial(near: tuple[str, str], match: str) -> None:
    pattern, uri = near
    assert "{serial}" not in pattern or not covers(pattern, uri, match, serial=None)


@pytest.mark.parametrize(
    ("pattern", "uri", "match"),
    [
        ("re.mgmt.{serial}.**", "re.mgmt.S1.a", EXACT),
        ("re.mgmt.{serial}.**", "re.mgmt.S1.a.b", EXACT),
        ("re.mgmt.{serial}.**", "re.mgmt.S1.", PREFIX),
        ("re.mgmt.{serial}.**", "re.mgmt.S1.te", PREFIX),
        ("re.mgmt.{serial}.**", "re.mgmt.S1.", WILDCARD),
        ("re.mgmt.**", "re.mgmt..x", WILDCARD),
        ("a.*.c", "a..c", WILDCARD),
    ],
)
def test_covered(pattern: str, uri: str, match: str) -> None:
    assert covers(pattern, uri, match)


@pytest.mark.parametrize(
    ("pattern", "uri", "match"),
    [
        ("re.mgmt.{serial}.**", "re.mgmt.S1", EXACT),  # nothing below it
        ("re.mgmt.{serial}.**", "re.mgmt.S1", PREFIX),  # reaches S12 too
        ("re.mgmt.{serial}.**", "re.mgmt.S11.a", EXACT),
        ("re.mgmt.{serial}.**", "re.mgmt.S1x.a", EXACT),
        ("re.mgmt.{serial}.**", "re.mgmt..a", EXACT),
        ("re.mgmt.{serial}.**", "re.mgmt..a", WILDCARD),
        ("re.mgmt.{serial}.**", "re.mgmt.", PREFIX),
        ("re.mgmt.{serial}.**", "", PREFIX),
        ("re.mgmt.{serial}.**", "re.mgmt.S1.a\n", EXACT),
        ("re.mgmt.{serial}.**", "re.mgmt.S1.a#b", EXACT),
        ("re.mgmt.{serial}.**", ".re.mgmt.S1.a", EXACT),
        ("re.mgmt.{serial}.**", "re.mgmt.S1.a", "regex"),
        ("a.b", "a.b", PREFIX),
        ("a.*.c", "a.b.c.", PREFIX),
        ("a.*.c", "a..", WILDCARD),
    ],
)
def test_not_covered(pattern: str, uri: str, match: str) -> None:
    assert not covers(pattern, uri, match)


@pytest.mark.parametrize("serial", ["S1.x", "", "*", "**", "S 1", "S#", "{serial}"])
def test_a_strange_serial_opens_nothing_of_others(serial: str) -> None:
    for uri in ("re.mgmt.S1.x", "re.mgmt.S1.x.y", "re.mgmt..x"):
        for match in (EXACT, PREFIX, WILDCARD):
            assert not covers("re.mgmt.{serial}.**", uri, match, serial)


def test_a_uri_longer_than_the_bound_is_malformed() -> None:
    assert parse_request("a" * 513, EXACT) is None
    assert parse_request("a" * 512, EXACT) is not None


def test_segments() -> None:
    assert is_segment("%d")
    assert is_segment("list/ondestroy")
    for text in ("", "a.b", "a b", "a#", "a\n", "\u2028"):
        assert not is_segment(text)


@pytest.mark.parametrize("text", ["", "a..b", "**.a", "a b"])
def test_a_malformed_pattern_is_our_own_mistake(text: str) -> None:
    with pytest.raises(ValueError, match="not a pattern"):
        parse_pattern(text)
