"""What calls become before they are stored."""

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.errors import RUNTIME_ERROR, Refusal
from services.fleetdb.records.tables import Column, Table
from services.fleetdb.rules.rows import MAX_ROWS, NO_DEVICE, incoming, incoming_bulk
from services.fleetdb.rules.values import MAX_ROW_OCTETS

TSP = "2026-01-01T00:00:00Z"
AT = datetime(2026, 1, 1, tzinfo=UTC)
DEVICE = 42


def table(**paths: str) -> Table:
    columns = [
        Column("tsp", "timestamp", paths.pop("tsp", "args[0].tsp")),
        *(Column(name, "json", path) for name, path in paths.items()),
    ]
    return Table("t", {column.id: column for column in columns})


def values_of(made: Table, *args: Any, **kwargs: Any) -> dict[str, Any]:
    row = incoming(made, args, kwargs, device_key=DEVICE, authid="serial", details={"topic": "x.y"})
    return {name: getattr(value, "value", value) for name, value in row.values.items()}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("args[0].x", 1), ("args.0.x", 1), ("args[0]['x']", 1), ('args[0]["x"]', 1), ("args[0]['a.b'].c", 2),
        ("args[1]", 3),
        ("args[0].list[1]", 5), ("kwargs.DEVICE_NAME", "press"), ("kwargs['DEVICE_NAME']", "press"),
        ("details.topic", "x.y"),
        ("args[0].text.length", None), ("args[9].x", None), ("args[0].nothing", None), ("x", None), ("", None),
        ("[", None),
        ("args[-1]", None), ("args[0].list.99999999999999999999", None), ("args[0].list[x]", None),
        ("kwargs.a.b", None),
    ],
)  # fmt: skip
def test_paths_find_what_lodash_finds(path: str, found: Any) -> None:
    first = {"tsp": TSP, "x": 1, "a.b": {"c": 2}, "list": [4, 5], "text": "abc"}
    values = values_of(table(c=path), first, 3, DEVICE_NAME="press")

    assert values == ({"tsp": AT} if found is None else {"tsp": AT, "c": found})


def test_a_column_that_is_null_was_given() -> None:
    assert values_of(table(c="args[0].c"), {"tsp": TSP, "c": None}) == {"tsp": AT, "c": None}


def test_the_row_is_of_the_session_s_device_and_caller() -> None:
    row = incoming(table(), [{"tsp": TSP}], {}, device_key=DEVICE, authid="serial")

    assert (row.device_key, row.authid, row.values) == (DEVICE, "serial", {"tsp": AT})


@pytest.mark.parametrize("args", [[{}], [], [None], ["x"], [{"tsp": None}], [[{"tsp": TSP}]]])
def test_a_row_without_a_time_is_refused_as_published(args: list[Any]) -> None:
    with pytest.raises(Refusal) as caught:
        incoming(table(), args, {}, device_key=DEVICE, authid="serial")

    assert (caught.value.uri, caught.value.wire_args) == (RUNTIME_ERROR, ({},))


@pytest.mark.parametrize("named", [42, "42", " 42 ", 42.0, None, "None", "", True, [], "42x"])
def test_the_payload_may_name_the_device_itself_or_none(named: Any) -> None:
    row = incoming(table(), [{"tsp": TSP, "DEVICE_KEY": named}], {"DEVICE_KEY": named}, device_key=DEVICE, authid="s")

    assert row.device_key == DEVICE


@pytest.mark.parametrize("named", [43, "43", "-1", 43.5, "0"])
@pytest.mark.parametrize("where", ["args", "kwargs"])
def test_a_payload_that_names_another_device_is_refused(named: Any, where: str) -> None:
    first = {"tsp": TSP, **({"DEVICE_KEY": named} if where == "args" else {})}
    kwargs = {"DEVICE_KEY": named} if where == "kwargs" else {"DEVICE_KEY": "42"}

    with pytest.raises(Refusal) as caught:
        incoming(table(), [first], kwargs, device_key=DEVICE, authid="s")
    assert caught.value.uri == "wamp.error.not_authorized"


@pytest.mark.parametrize(
    ("args", "kwargs", "device_key"),
    [({}, {}, NO_DEVICE), ({"DEVICE_KEY": 7}, {}, 7), ({"DEVICE_KEY": 7}, {"DEVICE_KEY": "8"}, 8)],
)
def test_who_is_no_device_may_name_one(args: dict[str, Any], kwargs: dict[str, Any], device_key: int) -> None:
    row = incoming(table(), [{"tsp": TSP, **args}], kwargs, device_key=None, authid="17")

    assert row.device_key == device_key


def test_every_row_of_a_bulk_is_looked_at_as_if_alone() -> None:
    made = table(a="args[0].a", b="args[1].b", n="kwargs.n")
    rows = incoming_bulk(
        made, [[{"tsp": TSP, "a": 1}, {"tsp": TSP, "a": 2}], {"b": 3}], {"n": 4}, device_key=DEVICE, authid="s"
    )

    assert [{name: value.value for name, value in row.values.items() if name != "tsp"} for row in rows] == [
        {"a": 1, "b": 3, "n": 4},
        {"a": 2, "b": 3, "n": 4},
    ]


@pytest.mark.parametrize(
    "args", [[], [[]], [{}], ["x"], [None], [[{"tsp": TSP}] * (MAX_ROWS + 1)]], ids=lambda a: str(a)[:9]
)
def test_a_bulk_is_a_list_of_rows(args: list[Any]) -> None:
    with pytest.raises(Refusal) as caught:
        incoming_bulk(table(), args, {}, device_key=DEVICE, authid="s")
    assert caught.value.uri == RUNTIME_ERROR


def test_one_bad_row_refuses_the_bulk() -> None:
    with pytest.raises(Refusal):
        incoming_bulk(table(), [[{"tsp": TSP}, {}]], {}, device_key=DEVICE, authid="s")


def test_a_row_has_at_most_12_mib() -> None:
    made = table(c="args[0].c")
    fits = "x" * (MAX_ROW_OCTETS - 100)

    assert values_of(made, {"tsp": TSP, "c": fits})["c"] == fits
    for large in (fits + "x" * 100, "ü" * (MAX_ROW_OCTETS // 2)):
        with pytest.raises(Refusal) as caught:
            values_of(made, {"tsp": TSP, "c": large})
        assert caught.value.wire_args[0]["code"] == "54000"


@given(
    st.text(), st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_no_path_fails(path: str, value: Any) -> None:
    made = Table("t", {"tsp": Column("tsp", "timestamp", "kwargs.tsp"), "c": Column("c", "numeric", path)})

    row = incoming(made, [value], {"tsp": TSP}, device_key=DEVICE, authid="s")

    assert row.values["tsp"] == AT


def test_nobody_writes_to_sums() -> None:
    with pytest.raises(Refusal) as caught:
        incoming(attrs.evolve(table(), source="other"), [{"tsp": TSP}], {}, device_key=DEVICE, authid="s")
    assert caught.value.uri == "wamp.error.no_such_procedure"
