"""Conditions as SQL: no name and no value of a client is ever part of the text."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.errors import Refusal
from services.fleetdb.records.tables import Column, DataType
from services.fleetdb.rules.filters import IMPLICIT, selection
from services.fleetdb.rules.queries import history_query
from services.fleetdb.store.conditions import Parameters, all_of, moment, rendered

TYPES: dict[str, DataType] = {
    "v": "numeric",
    "n": "bigint",
    "s": "string",
    "b": "boolean",
    "at": "timestamp",
    "j": "json",
}
COLUMNS = {**{id_: Column(id_, data_type, "") for id_, data_type in TYPES.items()}, **IMPLICIT}


def sent(*nodes: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The text and the values of a condition."""
    parameters = Parameters()
    selected = selection(history_query(({"limit": 1, "filterAnd": list(nodes)},)).filters, COLUMNS, "5")
    text = all_of([rendered(each, parameters) for each in selected.conditions])
    return text.as_string(None), parameters.values


def test_three_of_them() -> None:
    text, values = sent(
        {"column": "s", "operator": ">", "value": "a"},
        {
            "combinator": "OR",
            "filters": [{"column": "n", "operator": "!=", "value": 1}, {"column": "v", "operator": "IS NULL"}],
        },
    )

    assert text == '"s" COLLATE "C" > %(p0)s::text AND ("n" <> %(p1)s::bigint OR "v" IS NULL)'
    assert values == {"p0": "a", "p1": 1}
    assert sent() == ("true", {})


OPERATORS = ["=", "!=", "<", ">=", "LIKE", "NOT ILIKE", "IN", "NOT IN", "IS NULL", "IS CURRENT USER"]
HOSTILE = st.text(max_size=20) | st.sampled_from(
    ['" OR true --', "'); DROP TABLE t; --", "%s", "%(p0)s", "{}", "\\", "$1"]
)


@given(
    st.sampled_from(["v", "n", "s", "b", "at", "j", "device_key"]) | st.builds(lambda key: f"j['{key}']", HOSTILE),
    st.sampled_from(OPERATORS),
    HOSTILE | st.integers() | st.lists(HOSTILE, max_size=3),
    st.none() | st.sampled_from(["numeric", "timestamp", "boolean", "bigint", "json", "string"]),
)
def test_the_text_is_the_same_whatever_is_compared(
    column: str, operator: str, value: Any, data_type: str | None
) -> None:
    node = {"column": column, "operator": operator, "value": value}
    if data_type is not None:
        node["dataType"] = data_type
    try:
        text, values = sent(node)
    except Refusal:
        return  # half a surrogate pair, NUL
    marked = f"~{value}~"
    assert marked not in text
    for name in values:
        text = text.replace(f"%({name})s", "")
    assert "%" not in text
    assert "DROP" not in text
    assert "OR true" not in text


def test_a_moment_that_no_row_can_have_is_before_all_or_after() -> None:
    assert moment(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert moment(10**30) == "infinity"
    assert moment(-(10**30)) == "-infinity"
