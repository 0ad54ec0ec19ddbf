"""What filters come to on a table; what the conditions select is told by the oracle, against the database."""

from decimal import Decimal
from typing import Any

import pytest

from services.fleetdb.errors import Refusal
from services.fleetdb.records.tables import Column, DataType, Table
from services.fleetdb.rules.filters import (
    Comparison,
    Condition,
    Constant,
    Junction,
    Selection,
    columns_of,
    names_in,
    selection,
)
from services.fleetdb.rules.queries import history_query

TYPES: dict[str, DataType] = {"tsp": "timestamp", "v": "numeric", "n": "bigint", "s": "string", "j": "json"}
COLUMNS = {id_: Column(id_, data_type, "") for id_, data_type in TYPES.items()}
TABLE = Table("t", {**COLUMNS, "x": Column("x", "string", "", is_secret=True)})


def selected(*nodes: dict[str, Any], reader: str | None = None) -> Selection:
    return selection(history_query(({"limit": 1, "filterAnd": list(nodes)},)).filters, columns_of(TABLE), reader)


def condition(column: str, operator: str, value: Any = None, **more: Any) -> Condition | None:
    """What one predicate comes to; None where it is left out."""
    node = {"column": column, "operator": operator, **({} if value is None else {"value": value}), **more}
    found = selected(node).conditions
    return found[0] if found else None


def test_what_the_table_has_not_is_left_out() -> None:
    for column in ("nothing", "_row", "s.a", "j.", "", 'v"', "latest_flag", "nothing.a"):
        assert condition(column, "=", 1) is None
    group = {"combinator": "OR", "filters": [{"column": "nothing", "operator": "=", "value": 1}]}
    assert selected(group).conditions == ()


def test_what_is_no_number_is_left_out_on_columns_of_numbers() -> None:
    for column in ("v", "n", "device_key"):
        assert condition(column, "=", "many") is None
        assert condition(column, "=", True) is None
        assert condition(column, "=") is None
        assert condition(column, "=", [1]) == condition(column, "=", 1)
        assert condition(column, "IN", [1, "many"]) is None
        assert condition(column, "=", 1) is not None
    assert condition("n", "=", 1.5) is None
    assert condition("device_key", "=", 1.5) is not None


def test_what_is_none_of_a_type_is_unknown() -> None:
    assert condition("tsp", "=", "yesterday") == Constant(None)
    assert condition("s", "=") == Constant(None)
    assert condition("s", "=", ["a", "b"]) == Constant(None)
    assert condition("s", "LIKE", "a\\") == Constant(None)
    assert condition("s", "LIKE", ["a"]) == Constant(None)
    assert condition("j", "<", '{"a": 1}') == Constant(None)
    assert condition("tsp", "IN", ["yesterday"]) == Constant(None)


def test_sets() -> None:
    assert condition("s", "IN", []) == Constant(value=False)
    assert condition("s", "NOT IN", []) == Constant(value=True)
    assert condition("s", "IN", "a,b") == Comparison(COLUMNS["s"], (), "string", "IN", ("a", "b"))
    assert condition("tsp", "IN", [1, "yesterday"]) == Comparison(
        COLUMNS["tsp"], (), "timestamp", "IN", (1_000,), is_open=True
    )


def test_whole_numbers_are_compared_as_such_where_all_are() -> None:
    found = condition("device_key", "IN", [1, 2.0])
    assert isinstance(found, Comparison)
    assert found.values == (1, 2)
    assert all(isinstance(value, int) for value in found.values)
    mixed = condition("device_key", "IN", [1, 0.5])
    assert isinstance(mixed, Comparison)
    assert all(isinstance(value, Decimal) for value in mixed.values)


def test_nobody_but_a_person_is_the_current_user() -> None:
    node = {"column": "authid", "operator": "IS CURRENT USER"}

    assert selected(node).conditions == (Constant(value=False),)
    (found,) = selected(node, reader="5").conditions
    assert isinstance(found, Comparison)
    assert found.values == ("5",)


@pytest.mark.parametrize("column", ["x", "x.a"])
@pytest.mark.parametrize("operator", ["=", "LIKE", "IS NULL"])
def test_no_filter_is_on_a_secret_column(column: str, operator: str) -> None:
    with pytest.raises(Refusal) as caught:
        selected({"combinator": "OR", "filters": [{"column": column, "operator": operator, "value": "a"}]})

    assert caught.value.uri == "sys.dataservice.error.secret_column"


@pytest.mark.parametrize(
    ("node", "is_latest"),
    [
        ({"latest": True}, True),
        ({"column": "latest_flag", "operator": "=", "value": True}, True),
        ({"column": "latest_flag", "operator": "=", "value": "true"}, True),
        ({"column": "latest_flag", "operator": "=", "value": 1}, True),
        ({"column": "latest_flag", "operator": "=", "value": False}, False),
        ({"column": "latest_flag", "operator": "!=", "value": True}, False),
        ({"combinator": "AND", "filters": [{"combinator": "OR", "filters": [{"latest": True}]}]}, True),
        ({"column": "s", "operator": "=", "value": "a", "latest": False}, False),
    ],
)
def test_the_marker_is_a_mode_and_no_condition(node: dict[str, Any], *, is_latest: bool) -> None:
    found = selected(node)

    assert found.is_latest is is_latest
    assert not any(isinstance(each, Junction) for each in found.conditions)


def test_what_conditions_look_at() -> None:
    group = {"combinator": "AND", "filters": [{"column": "j.a", "operator": "IS NULL"}]}
    (found,) = selected(
        {"combinator": "OR", "filters": [group, {"column": "s", "operator": "=", "value": "a"}]}
    ).conditions

    assert names_in(found) == {"j.a", "s"}
    assert names_in(Constant(None)) == frozenset()
