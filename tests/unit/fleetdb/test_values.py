"""What columns keep, and how it comes back."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.errors import RUNTIME_ERROR, Refusal
from services.fleetdb.records.tables import HIDDEN, Column, DataType
from services.fleetdb.rules.documents import Document
from services.fleetdb.rules.moments import epoch_ms
from services.fleetdb.rules.values import octets_of, shown, stored, text_of

INT64 = 2**63
BIG = 10**300


def column(data_type: DataType, *, is_secret: bool = False) -> Column:
    return Column("c", data_type, "args[0].c", is_secret=is_secret)


def back(data_type: DataType, raw: Any) -> Any:
    kept = stored(column(data_type), raw)
    return shown(column(data_type), kept)


def code_of(data_type: DataType, raw: Any) -> str:
    with pytest.raises(Refusal) as caught:
        stored(column(data_type), raw)
    assert caught.value.uri == RUNTIME_ERROR
    (told,) = caught.value.wire_args
    assert told["name"] == "error"
    assert told["severity"] == "ERROR"
    assert '"c"' in told["message"]
    return str(told["code"])


DATA_TYPES: tuple[DataType, ...] = ("numeric", "bigint", "timestamp", "string", "boolean", "json")


@pytest.mark.parametrize("data_type", DATA_TYPES)
def test_null_stays_null(data_type: DataType) -> None:
    assert stored(column(data_type), None) is None
    assert shown(column(data_type), None) is None
    assert text_of(None) is None


@given(st.integers(-INT64, INT64 - 1))
def test_integers_of_64_bits_come_back(number: int) -> None:
    for data_type in ("numeric", "bigint", "json"):
        assert back(data_type, number) == number
    assert shown(column("numeric"), Decimal(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_come_back(number: float) -> None:
    assert back("numeric", number) == number
    assert shown(column("numeric"), Decimal(text_of(stored(column("numeric"), number)) or "")) == number
    assert back("json", [number]) == [number]


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_decimals_come_back_or_are_refused(number: Decimal) -> None:
    try:
        kept = stored(column("numeric"), number)
    except Refusal:
        return
    assert Decimal(repr(kept)) == number


@pytest.mark.parametrize("raw", [2**53 + 1, 7e-06, 1e300, BIG // BIG, -0.0, 0.1, Decimal("0.1"), 2**64, 5e-324])
def test_numbers_that_others_change_come_back(raw: Any) -> None:
    kept = back("numeric", raw)

    assert kept == raw or Decimal(repr(kept)) == raw


@pytest.mark.parametrize(
    "raw",
    [
        math.nan, math.inf, -math.inf, INT64 + 1, -INT64 - 1, BIG, 10**400, Decimal("NaN"), Decimal("sNaN"), "1e400",
        Decimal("Infinity"), Decimal("0.1000000000000000000001"), Decimal("1e400"), Decimal("1e999999"), "1e-400",
        "9223372036854775809", "1" * 500, Decimal("1e-400"),
    ],
    ids=lambda raw: repr(raw)[:40],
)  # fmt: skip
def test_numbers_that_would_change_are_refused(raw: Any) -> None:
    assert code_of("numeric", raw) == "22003"


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (" 7 ", 7), ("-3.5", -3.5), ("+1e3", 1000), (".5", 0.5), ("5.", 5), ("9007199254740993", 2**53 + 1),
        ("0e-999", 0),
        ("", None), ("x", None), ("NaN", None), ("inf", None), ("0x10", None), ("1,5", None), ("٣", None),
        ("1_0", None),
        (True, 1), (False, 0), ([1], None), ({}, None), (b"1", None), (3.0, 3),
    ],
)  # fmt: skip
def test_what_is_no_number_is_read_as_one_or_is_null(raw: Any, kept: Any) -> None:
    assert stored(column("numeric"), raw) == kept


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("12", 12),
        ("1e3", 1000),
        ("3.0", 3),
        ("3.7", None),
        ("x", None),
        (3.0, 3),
        (True, 1),
        (Decimal(4), 4),
        ([], None),
    ],
)
def test_bigints_are_read_from_what_means_one(raw: Any, kept: Any) -> None:
    assert stored(column("bigint"), raw) == kept


@pytest.mark.parametrize(
    ("raw", "code"),
    [(INT64, "22003"), (1e30, "22003"), ("9223372036854775808", "22003"), ("1e30", "22003"), (3.7, "22P02"),
     (Decimal("3.7"), "22P02"), (math.nan, "22003"), ("9" * 30, "22003")],
)  # fmt: skip
def test_bigints_that_would_change_are_refused(raw: Any, code: str) -> None:
    assert code_of("bigint", raw) == code


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (True, True), (False, False), ("TRUE", True), (" t ", True), ("off", False), ("0", False), (1, True),
        (0.0, False),
        (2, None), ("maybe", None), (math.nan, None), ([], None), (Decimal(1), True),
    ],
)  # fmt: skip
def test_truth_values_are_read_from_what_means_one(raw: Any, kept: Any) -> None:
    assert stored(column("boolean"), raw) is kept


# ----------------------------------------------------------------------------------------------------------- moments


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_come_back_to_the_microsecond(moment: datetime) -> None:
    kept = stored(column("timestamp"), moment.isoformat())

    assert kept == moment
    assert stored(column("timestamp"), moment.replace(tzinfo=None).isoformat()) == moment
    assert stored(column("timestamp"), moment) == moment


@given(st.integers(0, 4_000_000_000_000_000))
def test_epoch_milliseconds_come_back(microseconds: int) -> None:
    told = microseconds / 1_000

    assert back("timestamp", told) == told
    assert back("timestamp", microseconds // 1_000) == microseconds // 1_000


def test_epoch_milliseconds_are_whole_where_the_moment_is() -> None:
    assert repr(epoch_ms(datetime(2026, 1, 1, tzinfo=UTC))) == "1767225600000"
    assert epoch_ms(datetime(1969, 12, 31, 23, 59, 59, 999_500, tzinfo=UTC)) == -0.5


@pytest.mark.parametrize(
    "raw",
    ["2026-01-02T03:04:05Z", "2026-01-02 03:04:05", "2026-01-02T04:04:05+01:00", "20260102T030405", 1767323045000,
     1767323045000.0, "2026-01-02T03:04:05.0000009Z",
     datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2)))],
)  # fmt: skip
def test_moments_are_read_in_utc(raw: Any) -> None:
    kept = stored(column("timestamp"), raw)

    assert kept == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert kept.utcoffset() == timedelta(0)


@pytest.mark.parametrize("raw", ["now", "infinity", "", "x" * 100, "2026-13-01", True, [], {}, math.nan, b"2026"])
def test_what_is_no_moment_is_refused(raw: Any) -> None:
    assert code_of("timestamp", raw) == "22007"


@pytest.mark.parametrize(
    "raw", [10**18, -(10**18), 10**40, 1e300, "0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-14:00"]
)
def test_moments_out_of_range_are_refused(raw: Any) -> None:
    assert code_of("timestamp", raw) == "22008"


# -------------------------------------------------------------------------------------------------- texts, documents


@given(st.text())
def test_texts_come_back_or_are_refused(text: str) -> None:
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        assert code_of("string", text) == "22P05"
    else:
        assert back("string", text) == text


@pytest.mark.parametrize("raw", ["\0", "a\0ü", "\ud800", "ü\udfff", "a\ud83d"])
def test_texts_that_cannot_be_written_are_refused(raw: str) -> None:
    assert code_of("string", raw) == "22P05"
    assert code_of("json", {"a": raw}) in ("22P05", "22P02")
    assert code_of("json", {raw: 1}) in ("22P05", "22P02")


@pytest.mark.parametrize(
    ("raw", "text"),
    [(3, "3"), (3.0, "3"), (0.5, "0.5"), (True, "true"), (False, "false"), ({"a": [1]}, '{"a":[1]}'), (BIG, str(BIG)),
     (Decimal("1.10"), "1.10")],
)  # fmt: skip
def test_other_values_become_text(raw: Any, text: str) -> None:
    assert stored(column("string"), raw) == text


@pytest.mark.parametrize("raw", [math.nan, 10**400])
def test_numbers_that_are_none_become_no_text(raw: Any) -> None:
    assert code_of("string", raw) in ("22003", "22P02")


@pytest.mark.parametrize("raw", [b"x", datetime(2026, 1, 1, tzinfo=UTC), object(), Decimal("NaN")])
def test_what_is_no_text_is_refused(raw: Any) -> None:
    assert code_of("string", raw) == "22P02"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INT64, INT64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_documents_come_back_or_are_refused(value: Any) -> None:
    try:
        kept = stored(column("json"), value)
    except Refusal:
        assert "\\u0000" in json.dumps(value) or "\\ud" in json.dumps(value)
        return
    if value is not None:
        assert json.loads(kept.text) == value
        assert shown(column("json"), kept) == value


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_documents_are_64_levels_deep() -> None:
    assert back("json", nested(64)) == nested(64)
    for depth in (65, 500, 100_000):
        assert code_of("json", nested(depth)) == "22P02"


def test_wide_numbers_in_documents_are_written_as_doubles() -> None:
    value = {"a": [1e300, 2**64, 5.852337637519833e16, -1e16, "1" * 30], "b": 2**53 + 1}

    kept = stored(column("json"), value)

    assert json.loads(kept.text) == value
    assert f'{int(1e300)}.0,18446744073709551616.0,58523376375198328.0,-10000000000000000.0,"1' in kept.text
    assert code_of("json", [2**64 + 1]) == "22003"
    assert code_of("json", [10**400]) == "22003"


@pytest.mark.parametrize(
    "raw",
    [
        math.nan,
        [math.inf],
        {1: 2},
        {None: 1},
        (1, 2),
        [b"x"],
        {"a": datetime(2026, 1, 1, tzinfo=UTC)},
        Decimal(1),
        {1, 2},
    ],
    ids=repr,
)
def test_what_is_no_document_is_refused(raw: Any) -> None:
    assert code_of("json", raw) == "22P02"


def test_an_escape_spelt_out_is_no_nul() -> None:
    assert back("json", r"\u0000") == r"\u0000"
    assert back("json", "\\\\u0000") == "\\\\u0000"
    assert code_of("json", "\\\0") == "22P05"


def test_secrets_are_hidden_from_readers() -> None:
    assert shown(column("string", is_secret=True), "ifsec:1:k:abc") == HIDDEN
    assert shown(column("string", is_secret=True), None) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [("x", "x"), (True, "t"), (False, "f"), (3, "3"), (1e300, "1e+300"), (Document("{}", {}), "{}"),
     (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00+00:00")],
)  # fmt: skip
def test_the_database_is_given_text(value: Any, text: str) -> None:
    assert text_of(value) == text


def test_sizes_are_counted_in_octets() -> None:
    assert octets_of("aü") == 3
    assert octets_of(Document('"ü"', "ü")) == 4
    assert octets_of(7) == 8
