"""Which data templates are taken."""

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.realms.records.installs import Request
from services.realms.rules.templates import checked, requests_of
from shared.errors import InvalidArgumentError
from shared.templates import DAY_S, seconds_of

TIME = {"id": "tsp", "name": "Time", "description": "when", "dataType": "timestamp", "path": "args[0].tsp"}
FULL: dict[str, Any] = {
    "consumes": [{"app": "OPC_UA_Client", "reason": "to draw it"}, {"app": "*"}],
    "data": {
        "description": "what presses do",
        "tables": [
            {
                "tablename": "strokes",
                "description": "one a stroke",
                "private": True,
                "chunkTimeInterval": "7 days",
                "dropAfter": "90 days",
                "maintainLatestFlagFor": ["device_key", "press"],
                "columnstore": True,
                "columnstoreAfter": "14 days",
                "downsample": {"bucket": "10 seconds", "keepFor": "1 year", "paths": ["extra.temp", "extra['p']"]},
                "columns": [
                    TIME,
                    {"id": "press", "dataType": "string"},
                    {"id": "force", "dataType": "numeric", "path": "args[2].force"},
                    {"id": "extra", "dataType": "json"},
                    {"id": "token", "dataType": "string", "secret": True},
                ],
            }
        ],
        "transforms": [
            {
                "tablename": "by_hour",
                "materialize": True,
                "schedule": "*/5 * * * *",
                "sql": "SELECT 1 AS n",
                "columns": [{"id": "n", "name": "N", "description": "one", "dataType": "bigint"}],
            }
        ],
    },
    "files": {"quotaBytes": 1_048_576, "namespaces": [{"name": "images"}]},
}
SMALL: dict[str, Any] = {"data": {"tables": [{"tablename": "t", "columns": [{"id": "tsp", "dataType": "timestamp"}]}]}}
TABLE = "data.tables.0"
TRANSFORM = "data.transforms.0"
MISSING = object()


def changed(path: str, value: Any) -> dict[str, Any]:
    """The full template with another value, or none, at one place."""
    made = copy.deepcopy(FULL)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = made
    for part in way:
        place = place[part]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return made


@pytest.mark.parametrize("template", [FULL, SMALL, {"data": {}}, {"data": {}, "consumes": []}])
def test_what_the_published_form_has_is_taken(template: dict[str, Any]) -> None:
    assert len(checked(template).data.tables) == len(template["data"].get("tables", []))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("unknown", {"a": [1, None, 1.5]}),
        (f"{TABLE}.unknown", True),
        (f"{TABLE}.columns.1.unknown", "x"),
        (f"{TABLE}.columns.0.name", MISSING),
        (f"{TABLE}.columns.0.description", None),
        (f"{TABLE}.columns.0.path", "args[2].tsp"),
        (f"{TABLE}.columns.1.path", "kwargs.DEVICE_NAME"),
        (f"{TABLE}.downsample", {}),
        ("consumes.0.reason", MISSING),
        ("consumes.1.app", "node-red.runner"),
    ],
)
def test_what_is_in_the_field_is_taken_too(path: str, value: Any) -> None:
    checked(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("data", MISSING, "data"),
        ("data", [], r"\$\.data"),
        ("data.tables", {}, "tables"),
        (f"{TABLE}.tablename", MISSING, "tablename"),
        (f"{TABLE}.tablename", "", "tablename"),
        (f"{TABLE}.tablename", "Strokes", "tablename"),
        (f"{TABLE}.tablename", "error-logs", "tablename"),
        (f"{TABLE}.tablename", "a\n", "tablename"),
        (f"{TABLE}.tablename", 't"; DROP', "tablename"),
        (f"{TABLE}.tablename", "x" * 61, "tablename"),
        (f"{TABLE}.tablename", "by_hour", "twice"),
        (f"{TRANSFORM}.tablename", "strokes_ds", "twice"),
        (f"{TABLE}.columns", MISSING, "columns"),
        (f"{TABLE}.columns", [], "columns"),
        (f"{TABLE}.columns.0.id", "time", "tsp"),
        (f"{TABLE}.columns.0.dataType", "string", "tsp"),
        (f"{TABLE}.columns.1.dataType", "text", "dataType"),
        (f"{TABLE}.columns.1.dataType", MISSING, "dataType"),
        (f"{TABLE}.columns.1.dataType", None, "dataType"),
        (f"{TABLE}.columns.1.id", "device_key", "platform's own"),
        (f"{TABLE}.columns.1.id", "latest_flag", "platform's own"),
        (f"{TABLE}.columns.1.id", "xmin", "platform's own"),
        (f"{TABLE}.columns.1.id", "authid", "platform's own"),
        (f"{TABLE}.columns.1.id", "force", "twice"),
        (f"{TABLE}.columns.1.id", "Press", "id"),
        (f"{TABLE}.columns.2.secret", True, "secret"),
        (f"{TABLE}.columns.2.secret", "yes", "secret"),
        (f"{TABLE}.columns.0.secret", True, "secret"),
        (f"{TABLE}.maintainLatestFlagFor", ["unknown"], "maintainLatestFlagFor"),
        (f"{TABLE}.maintainLatestFlagFor", ["token"], "maintainLatestFlagFor"),
        (f"{TABLE}.dropAfter", "90", "dropAfter"),
        (f"{TABLE}.dropAfter", "0 days", "dropAfter"),
        (f"{TABLE}.dropAfter", "1 day; DROP", "dropAfter"),
        (f"{TABLE}.dropAfter", 90, "dropAfter"),
        (f"{TABLE}.downsample.bucket", "7 seconds", "divide"),
        (f"{TABLE}.downsample.bucket", "2 days", "divide"),
        (f"{TABLE}.downsample.bucket", "1 month", "bucket"),
        (f"{TABLE}.downsample.keepFor", "30 days", "keepFor"),
        (f"{TABLE}.downsample.paths", ["force.x"], "json"),
        (f"{TABLE}.downsample.paths", ["nothing.x"], "json"),
        (f"{TRANSFORM}.sql", MISSING, "sql"),
        (f"{TRANSFORM}.sql", "", "sql"),
        (f"{TRANSFORM}.columns", [], "columns"),
        (f"{TRANSFORM}.columns", [{"id": "n", "dataType": "bigint"}] * 2, "twice"),
        (f"{TRANSFORM}.materialize", MISSING, "materialize"),
        (f"{TRANSFORM}.materialize", 1, "materialize"),
        (f"{TRANSFORM}.schedule", "@hourly", "cron"),
        ("consumes", "*", "consumes"),
        ("consumes.0.app", MISSING, "app"),
        ("consumes.0.app", "a b", "app"),
        ("consumes.0.app", "*\n", "app"),
        ("consumes.0.app", "**", "app"),
        ("consumes.1.app", "opc_ua_client", "twice"),
        ("consumes", [{"app": f"a{n}"} for n in range(201)], "consumes"),
        ("data.tables", [{"tablename": f"t{n}", "columns": [TIME]} for n in range(201)], "tables"),
    ],
)
def test_what_cannot_become_tables_is_refused_and_the_place_named(path: str, value: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said) as refused:
        checked(changed(path, value))

    assert refused.value.details()["argument"] == "data_template"


@pytest.mark.parametrize(
    "value",
    [
        "a\x00b",
        "\ud800",
        math.nan,
        math.inf,
        2**53,
        -(2**53),
        10**400,
        b"octets",
        {1: 2},
        {"a\x00": 1},
        {"\ud800": 1},
        {1, 2},
    ],
    ids=repr,
)
def test_what_cannot_be_kept_is_refused_wherever_it_stands(value: Any) -> None:
    for made in ({**SMALL, "more": value}, {**SMALL, "more": [[{"x": value}]]}):
        with pytest.raises(InvalidArgumentError):
            checked(made)


def test_depth_and_size_have_bounds() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for more in (deep, "x" * 256 * 1024):
        with pytest.raises(InvalidArgumentError):
            checked({**SMALL, "more": more})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
near = st.sampled_from(
    ["data", "tables", "columns", "tsp", "id", "dataType", "tablename", "timestamp", "consumes", "app", "*", "t", "sql"]
)
near_values = st.recursive(
    near | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(near, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(st.text(max_size=8) | near, json_values | near_values, max_size=4))
def test_anything_is_taken_or_refused_and_what_is_taken_is_whole(content: dict[str, Any]) -> None:
    try:
        template = checked(content)
    except InvalidArgumentError:
        return

    assert isinstance(content["data"], dict)
    for table in template.data.tables:
        ids = [column.id for column in table.columns]
        assert "tsp" in ids
        assert len(set(ids)) == len(ids)
        assert not set(ids) & {"device_key", "authid", "latest_flag"}
    assert json.loads(json.dumps(content)) == content


def test_requests_are_in_the_form_on_which_names_are_unique() -> None:
    assert requests_of(FULL) == [Request("opc_ua_client", "to draw it"), Request("*", "")]
    assert requests_of(SMALL) == []


@given(st.integers(1, 500), st.sampled_from(["second", "minute", "hour", "day", "week", "month", "year"]))
def test_an_interval_has_as_many_seconds_as_its_unit_says(count: int, unit: str) -> None:
    assert seconds_of(f"{count} {unit}s") == seconds_of(f"{count} {unit}") == count * seconds_of(f"1 {unit}")
    assert seconds_of("1 week") == 7 * DAY_S == 7 * 24 * seconds_of("1 hour")


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        (f"{TABLE}.tablename", "Bad Name", "small letters"),
        (f"{TABLE}.columns.1.id", "Press", "small letters"),
        (f"{TABLE}.columns.1.dataType", "text", "numeric, bigint, timestamp, string, boolean or json"),
        (f"{TABLE}.dropAfter", "a week", "as 7 days"),
        (f"{TABLE}.maintainLatestFlagFor", ["Press"], "small letters"),
    ],
)
def test_what_is_wanted_in_place_of_a_malformed_value_is_told(path: str, value: Any, wanted: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        checked(changed(path, value))

    assert wanted in refused.value.message
    assert str(value) not in refused.value.message
