"""What series queries come to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.errors import Refusal
from services.fleetdb.records.tables import Column, DataType, Table
from services.fleetdb.rules.queries import series_query
from services.fleetdb.rules.series import EARLIEST_US, LATEST_US, Series, series, too_many

TYPES: dict[str, DataType] = {
    "tsp": "timestamp",
    "v": "numeric",
    "n": "bigint",
    "s": "string",
    "b": "boolean",
    "at": "timestamp",
    "j": "json",
    "c" * 60: "numeric",
}
COLUMNS = {id_: Column(id_, data_type, "") for id_, data_type in TYPES.items()}
TABLE = Table("t", {**COLUMNS, "x": Column("x", "string", "", is_secret=True)})
NOW_US = 1_000_000_000


def planned(**asked: Any) -> Series:
    whole = {"metrics": [{"ref": "v", "method": "AVG"}], "limit": 10, "timeRange": [0, 100_000], **asked}
    return series(series_query((whole,)), TABLE, now_us=NOW_US, reader=None)


def code(**asked: Any) -> str:
    """With what it is refused; empty where it is not."""
    try:
        planned(**asked)
    except Refusal as refusal:
        return refusal.uri.removeprefix("sys.dataservice.error.")
    return ""


def metric(ref: str, method: str) -> str:
    return code(metrics=[{"ref": ref, "method": method}])


@pytest.mark.parametrize(
    "span",
    [
        None,
        [None, None],
        [None, 5],
        [5, 5],
        [5, 4],
        [10**17, None],
        [-(10**17), 0],
        ["9999-12-31T23:59:59Z", "2026-01-01"],
    ],
)
def test_a_series_needs_a_start_and_a_length(span: Any) -> None:
    assert code(timeRange=span) == "invalid_time_range"


def test_an_open_end_is_now_and_the_end_of_time_is_the_last() -> None:
    assert planned(timeRange=[0, None]).end_us == NOW_US
    assert planned(timeRange=[0, 10**17]).end_us == LATEST_US
    ahead = planned(timeRange=[2_000_000, None])
    assert (ahead.start_us, ahead.end_us) == (2_000_000_000, 2_000_000_000)
    assert planned(timeRange=["1970-01-01T00:00:01Z", None]).start_us == 1_000_000


@pytest.mark.parametrize(
    ("asked", "width_ms"),
    [
        ({"limit": 10}, 10_000),
        ({"limit": 1}, 100_000),
        ({"limit": 10_000}, 10),
        ({"limit": 100, "bucketMs": 1_000}, 1_000),
        ({"limit": 99, "bucketMs": 1_000}, 2_000),
        ({"limit": 10, "bucketMs": 3_000}, 12_000),
        ({"limit": 10_000, "bucketMs": 1_500.5}, 1_500.5),
        ({"limit": 1, "bucketMs": 1e300}, None),
    ],
)
def test_buckets_are_as_wide_as_the_budget_asks(asked: dict[str, Any], width_ms: float | None) -> None:
    width_us = planned(**asked).width_us

    assert width_us == (width_ms * 1_000 if width_ms else LATEST_US + 62_135_596_800_000_000)


@given(st.integers(0, 10**9), st.integers(1, 10**12), st.integers(1, 10_000), st.none() | st.integers(1_000, 10**9))
def test_there_are_no_more_buckets_than_the_budget(start: int, length: int, limit: int, bucket: int | None) -> None:
    asked = {} if bucket is None else {"bucketMs": bucket}

    found = planned(timeRange=[start, start + length], limit=limit, **asked)

    number = -(-(found.end_us - found.start_us) // found.width_us)
    # Widths are whole microseconds: what is divided into thousands of them may leave a rest.
    assert 1 <= number <= (limit if bucket else 1.5 * limit + 1)
    assert bucket is None or found.width_us % (bucket * 1_000) == 0


@pytest.mark.parametrize("width", [1e306, 1e308, 10**400])
def test_a_bucket_may_be_wider_than_all_of_time(width: float) -> None:
    assert planned(bucketMs=width).width_us == LATEST_US - EARLIEST_US


def test_metrics_fit_the_type_of_their_column() -> None:
    for ref in ("v", "n", "device_key", "j.a"):
        for method in ("AVG", "SUM", "COUNT", "MIN", "MAX", "FIRST", "LAST"):
            assert metric(ref, method) == ""
    for ref, refused in {"s": "AVG SUM", "at": "AVG SUM", "b": "AVG SUM MIN MAX", "j": "AVG SUM MIN MAX"}.items():
        for method in ("AVG", "SUM", "COUNT", "MIN", "MAX", "FIRST", "LAST"):
            assert metric(ref, method) == ("invalid_metric" if method in refused.split() else "")
    assert metric("tsp", "COUNT") == ""
    for method in ("MIN", "MAX", "FIRST", "LAST", "AVG"):
        assert metric("tsp", method) == "invalid_metric"


@pytest.mark.parametrize(
    "ref",
    ["nothing", "x", "x.a", "v.a", "", "tsp.a", "_row", "c" * 60, "j." + "a" * 60, 'v"', "j['\0']", "j['\ud800']"],
)
def test_a_metric_is_of_a_column_that_can_be_read(ref: str) -> None:
    assert metric(ref, "COUNT") == "invalid_metric"


@pytest.mark.parametrize("ref", ["nothing", "x", "v.a", "", "tsp", "tsp.a", "_row", "j." + "a" * 62, "v", "j['\0']"])
def test_a_group_is_another_column_that_can_be_read(ref: str) -> None:
    assert code(groupBy=[ref]) == "invalid_group_by"


def test_groups_may_be_columns_and_paths() -> None:
    found = planned(groupBy=["s", "j['a b']", "device_key", "s"])

    assert [(each.column.id, each.path) for each in found.groups] == [("s", ()), ("j", ("a b",)), ("device_key", ())]
    assert code(metrics=[{"ref": "tsp", "method": "COUNT"}], groupBy=["tsp"]) == "invalid_group_by"


def test_how_many_there_may_be() -> None:
    many = [{"ref": f"j.a{number}", "method": "MAX"} for number in range(201)]
    assert code(metrics=many[:200] * 2) == ""
    assert code(metrics=many) == "invalid_metric"
    assert code(groupBy=[f"j.a{number}" for number in range(33)]) == "invalid_group_by"
    assert len(planned(metrics=many[:1] * 5).measured) == 1


def test_filters_hold_for_series_but_not_the_marker() -> None:
    assert len(planned(filterAnd=[{"column": "s", "operator": "=", "value": "a"}]).conditions) == 1
    assert code(filterAnd=[{"latest": True}]) == "invalid_filter"
    assert code(filterAnd=[{"column": "latest_flag", "operator": "=", "value": True}]) == "invalid_filter"
    assert code(filterAnd=[{"column": "x", "operator": "=", "value": "a"}]) == "secret_column"


def test_too_many_rows_are_told_with_how_many_there_may_be() -> None:
    refusal = too_many(TABLE)

    assert refusal.uri == "sys.dataservice.error.series_too_many_groups"
    assert refusal.wire_kwargs == {"tablename": "t", "cap": 50_000}
