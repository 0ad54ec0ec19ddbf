"""Which columns an answer has, and how values look in it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.errors import Refusal
from services.fleetdb.records.tables import HIDDEN, Column, Table
from services.fleetdb.rules.projections import number, plain, projection
from services.fleetdb.rules.queries import history_query
from services.fleetdb.rules.values import shown, stored

COLUMNS = {
    "tsp": Column("tsp", "timestamp", ""),
    "v": Column("v", "numeric", ""),
    "j": Column("j", "json", ""),
    "x": Column("x", "string", "", is_secret=True),
}
TABLE = Table("t", COLUMNS, entity_key=("j", "device_key"))


def names(is_latest: bool = False, **asked: Any) -> list[str]:
    query = history_query(({"limit": 1, **asked},))
    return [column.id for column in projection(TABLE, query, is_latest=is_latest).columns]


def seen(name: str, value: Any, *, is_latest: bool = False, hides: bool = True, **asked: Any) -> Any:
    """A value as an answer has it."""
    query = history_query(({"limit": 1, **asked},))
    show = projection(TABLE, query, is_latest=is_latest, hides=hides).shows.get(name)
    return value if show is None else show(value)


def test_all_columns_or_those_named_with_those_that_every_answer_has() -> None:
    assert names() == ["tsp", "v", "j", "x", "device_key", "authid"]
    assert names(columns=[]) == names(columns=None) == names(columns=[" ", "latest_flag"]) == names()
    assert names(columns=["v", "v"]) == ["v", "tsp", "device_key", "authid"]
    assert names(columns=["authid"]) == ["authid", "tsp", "device_key"]
    assert names(is_latest=True, columns=["v"]) == ["v", "tsp", "device_key", "authid", "j"]


@pytest.mark.parametrize("column", ["nothing", "_row", "j.a", 'v"', "v; --"])
def test_a_column_that_the_table_has_not_is_refused_as_the_database_would(column: str) -> None:
    with pytest.raises(Refusal) as caught:
        names(columns=[column])

    assert (caught.value.uri, caught.value.wire_args[0]["code"]) == ("wamp.error.runtime_error", "42703")


def test_secrets_are_hidden_and_null_is_null() -> None:
    assert seen("x", "ifsec:1:a") == HIDDEN
    assert seen("x", None) is None
    assert seen("x", "ifsec:1:a", hides=False) == "ifsec:1:a"


def test_json_is_pruned_where_it_is_named_and_not_asked_for_whole() -> None:
    value = {"a": 1, "b": 2}
    assert seen("j", value, columns=["j"], columnPaths=["j.a"]) == {"a": 1}
    assert seen("j", value, columns=["j"], columnPaths=["j.a", "j['b']"]) == value
    assert seen("j", value, columns=["j"], columnPaths=["j.a", "j"]) == value
    assert seen("j", value, columnPaths=["j.a"]) == value
    assert seen("j", value, columns=["j"], columnPaths=["v.a", "x.a", "nothing.a", " "]) == value
    assert seen("j", value, is_latest=True, columns=["j"], columnPaths=["j.a"]) == value


@given(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_shown_as_they_are_when_they_are_written(value: float) -> None:
    kept = Decimal(repr(stored(COLUMNS["v"], value)))

    found = number(kept)

    assert found == value == shown(COLUMNS["v"], kept)
    assert type(found) is type(shown(COLUMNS["v"], kept))


def test_what_no_number_of_json_is_is_none() -> None:
    assert number(Decimal("1e400")) is None
    assert number(Decimal("NaN")) is None
    assert number(None) is None
    assert repr(number(Decimal("0.99999999999999999999"))) == "1"
    assert number(Decimal(2**63)) == float(2**63)
    assert number(Decimal("9007199254740993.5")) == 9007199254740994.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("1.50"), 1.5),
        (float("inf"), None),
        (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 1_000),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(minutes=1), 60),
        ([Decimal(1), None], [1, None]),
        (b"\x01\xff", "01ff"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"a": 1}, {"a": 1}),
        (True, True),
    ],
)
def test_a_view_may_have_values_of_any_type(value: Any, expected: Any) -> None:
    assert plain(value) == expected
