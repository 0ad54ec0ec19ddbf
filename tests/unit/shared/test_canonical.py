"""Canonical JSON is that of the library for RFC 8785, whichever way it is made."""

from collections.abc import Callable
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from shared.canonical import MAX_INTEGER, canonical_json

NAMES = st.text(st.characters(exclude_categories=()), max_size=5) | st.sampled_from(
    ["\U0001f600", "\ufb33", "\u20ac", "a", "B", "1", "10", "", "\r", "\x7f"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**54), 2**54)
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.just(10**400)
    | st.binary(max_size=2)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)
SIMPLE = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
    max_leaves=20,
)


def outcome(encode: Callable[[Any], bytes], value: Any) -> bytes | None:
    """What comes of it; None where it has no canonical form."""
    try:
        return encode(value)
    except (rfc8785.CanonicalizationError, ValueError):
        return None


@given(VALUES)
def test_it_is_what_the_library_makes_of_any_value(value: Any) -> None:
    assert outcome(canonical_json, value) == outcome(rfc8785.dumps, value)


@given(SIMPLE)
def test_it_is_what_the_library_makes_of_values_that_are_encoded_the_short_way(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("code", range(0x80))
def test_every_letter_of_ascii_is_written_alike(code: int) -> None:
    assert canonical_json({chr(code): chr(code)}) == rfc8785.dumps({chr(code): chr(code)})


def test_what_nests_too_deep_has_none() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]

    with pytest.raises(RecursionError):
        canonical_json(value)


def test_the_example_of_the_standard() -> None:
    # RFC 8785 section 3.2.3: sorted by UTF-16 code units.
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\xf6": 7}
    names = ["\\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33"]

    octets = canonical_json(value).decode()

    assert [octets.index(f'"{name}"') for name in names] == sorted(octets.index(f'"{name}"') for name in names)
