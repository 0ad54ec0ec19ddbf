"""Bodies are JSON that nobody reads otherwise."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.records import HttpRefusedError
from services.gateway.rules.bodies import MAX_DEPTH, decoded
from shared.errors import InvalidArgumentError

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=8,
)


@given(VALUES)
def test_decoding_inverts_encoding(value: Any) -> None:
    assert decoded(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary())
def test_any_octets_are_a_value_or_refused(octets: bytes) -> None:
    try:
        value = decoded(octets)
    except (HttpRefusedError, InvalidArgumentError):
        return
    assert json.loads(octets) == value


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"{} x",
        b"{'a': 1}",
        b"{a: 1}",
        b'{"a": 1,}',
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": 1, "\\u0061": 2}',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"[-1e400]",
        b"9" * 5000,
        b'"\\ud800"',
        b'{"\\udfff": 1}',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        '"\u00e4"'.encode("latin-1"),
        b'"\n"',
        b"// no\n{}",
        b"[" * 60_000,
        b'{"a":' * 10_000,
    ],
    ids=lambda octets: repr(octets[:24]),
)
def test_what_two_readers_could_take_for_two_things_is_refused(octets: bytes) -> None:
    with pytest.raises(HttpRefusedError) as refused:
        decoded(octets)

    assert refused.value.code == "malformed"


@pytest.mark.parametrize("octets", [b'"a\\u0000b"', b'{"a\\u0000": 1}', b'[["\\u0000"]]'])
def test_a_text_with_a_nul_is_no_argument(octets: bytes) -> None:
    with pytest.raises(InvalidArgumentError):
        decoded(octets)


def test_depth_has_a_bound() -> None:
    fits = "[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH

    assert decoded(fits.encode())
    with pytest.raises(HttpRefusedError):
        decoded(f"[{fits}]".encode())


def test_numbers_stay_what_they_are() -> None:
    assert decoded(b"9007199254740993") == 2**53 + 1
    assert decoded(b"7e-06") == 7e-06
    assert decoded(b"1e300") == 1e300


@pytest.mark.parametrize(("octets", "number"), [(b"339.0", 339), (b"1e2", 100), (b"-0.0", 0), (b"-7.0", -7)])
def test_a_whole_number_is_an_integer_however_it_is_written(octets: bytes, number: int) -> None:
    assert (decoded(octets), type(decoded(octets))) == (number, int)
