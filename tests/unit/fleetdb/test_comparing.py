"""What filters compare with, read as the type of the column."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.errors import Refusal
from services.fleetdb.records.tables import DataType
from services.fleetdb.rules.comparing import guessed, read


@pytest.mark.parametrize(
    ("data_type", "value", "expected"),
    [
        ("string", 1, "1"),
        ("string", 1.0, "1"),
        ("string", 7e-06, "7e-06"),
        ("string", True, "true"),
        ("numeric", 0.1, Decimal("0.1")),
        ("numeric", " -1.50e2 ", Decimal(-150)),
        ("numeric", ".5", Decimal("0.5")),
        ("numeric", 5.948923132209025e16, Decimal(59489231322090248)),
        ("numeric", 1e300, Decimal("1e300")),
        ("numeric", True, None),
        ("numeric", "", None),
        ("numeric", "NaN", None),
        ("numeric", "Infinity", None),
        ("numeric", "1e9999", None),
        ("numeric", "1" * 401, None),
        ("numeric", "٣", None),
        ("bigint", 2**63, 2**63),
        ("bigint", "9007199254740993", 9007199254740993),
        ("bigint", 1.0, 1),
        ("bigint", 1.5, None),
        ("bigint", "1.0", None),
        ("bigint", False, None),
        ("boolean", "Yes", True),
        ("boolean", "of", False),
        ("boolean", 1, True),
        ("boolean", 0.0, False),
        ("boolean", 2, None),
        ("boolean", "o", None),
        ("timestamp", 1, 1_000),
        ("timestamp", "1", 1_000),
        ("timestamp", 0.5, 500),
        ("timestamp", "1970-01-01T00:00:00.000001Z", 1),
        ("timestamp", "2.1.1970", 86_400_000_000),
        ("timestamp", "02/01/1970 00:00:01", 86_401_000_000),
        ("timestamp", "yesterday", None),
        ("timestamp", "1" * 500, None),
        ("timestamp", True, None),
        ("json", '{"a": [1, 2]}', '{"a":[1,2]}'),
        ("json", True, "true"),
        ("json", 2**70, str(2**70)),
        ("json", "{", None),
        ("json", "NaN", None),
        ("json", "[" * 100_000, None),
        ("json", '"\\u0000"', None),
        ("json", '"\\ud800"', None),
        ("json", "1e999999", None),
    ],
)
def test_a_value_is_read_as_the_type_or_not_at_all(data_type: DataType, value: Any, expected: Any) -> None:
    found = read(value, data_type)

    assert found == expected
    assert type(found) is type(expected)


def test_a_number_that_nobody_can_print_is_none() -> None:
    assert read(10**5000, "numeric") is None
    assert read(10**5000, "bigint") is None


@pytest.mark.parametrize(
    ("values", "told", "expected"),
    [
        ((1,), None, "numeric"),
        (("1.5",), None, "numeric"),
        ((True,), None, "boolean"),
        (("TRUE",), None, "boolean"),
        (("a",), None, "string"),
        (("",), None, "string"),
        (('{"a": 1}',), None, "json"),
        (("{a",), None, "string"),
        ((1, "2"), None, "numeric"),
        ((1, "a"), None, "string"),
        ((), None, "string"),
        ((1,), "string", "string"),
        (("1",), "json", "numeric"),
        (("1",), "nonsense", "numeric"),
    ],
)
def test_a_type_is_guessed_where_none_is_told(values: tuple[Any, ...], told: str | None, expected: str) -> None:
    assert guessed(values, told) == expected


SCALARS = st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()


@given(SCALARS, st.sampled_from(["string", "numeric", "bigint", "boolean", "timestamp", "json"]))
def test_nothing_breaks_the_reading(value: Any, data_type: DataType) -> None:
    try:
        read(value, data_type)
    except Refusal as refusal:
        assert data_type == "string", refusal.wire_args  # noqa: PT017 - only texts are refused
