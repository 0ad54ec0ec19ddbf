"""Which queries are taken: the recorded answers of the published platform, and as many of our own."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.errors import RUNTIME_ERROR, Refusal
from services.fleetdb.records.queries import Group, HistoryQuery, Latest, Metric, Predicate, SeriesQuery, Span
from services.fleetdb.rules.queries import history_query, reveal_query, series_query, verify_query

VECTORS = Path(__file__).parents[2] / "vectors" / "history-query.jsonl"
ROWS = [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]
MISSING = object()
SERIES: dict[str, Any] = {"metrics": [{"ref": "t", "method": "AVG"}], "limit": 10, "timeRange": [1, None]}
RANGE = "(ISOTimeRange | TimeRange)"


def told(taker: Any, *args: Any) -> dict[str, Any] | None:
    """What a query is refused with, None where it is taken."""
    try:
        taker(args)
    except Refusal as refused:
        refusal = refused
    else:
        return None
    assert (refusal.uri, refusal.wire_kwargs) == (RUNTIME_ERROR, {})
    (answer,) = refusal.wire_args
    assert answer["method"] == "typia.assert"
    assert ("value" in answer) != ("description" in answer)
    return dict(answer)


def where(taker: Any, *args: Any) -> tuple[str, str] | None:
    """The path and what was expected there."""
    answer = told(taker, *args)
    return None if answer is None else (answer["path"], answer["expected"])


def at(query: Any, path: str) -> Any:
    """What the vector's query has at its path."""
    value: Any = {"$input": [query]}
    for name in path.replace("[", ".[").split("."):
        key = int(name[1:-1]) if name.startswith("[") else name
        try:
            value = value[key]
        except (KeyError, TypeError):
            return MISSING
    return value


@pytest.mark.parametrize("vector", ROWS, ids=lambda vector: json.dumps(vector["query"]))
def test_a_query_is_taken_or_refused_as_recorded(vector: dict[str, Any]) -> None:
    answer = told(history_query, vector["query"])

    if vector["path"] is None:
        assert answer is None
        return
    assert answer is not None
    assert (answer["path"], answer["expected"]) == (vector["path"], vector["expected"])
    assert answer.get("value", MISSING) == at(vector["query"], vector["path"])


def test_there_are_more_of_our_own_than_were_recorded() -> None:
    assert len(ROWS) >= 2 * 56


@pytest.mark.parametrize(
    ("args", "path", "expected"),
    [
        ((), "$input", "[TableQueryParams]"),
        (({"limit": 1}, {}), "$input", "[TableQueryParams]"),
        ((None,), "$input[0]", "TableQueryParams"),
        (("x",), "$input[0]", "TableQueryParams"),
        (([1],), "$input[0].limit", '(number & Type<"uint32"> & Maximum<10000>)'),
    ],
)
def test_there_is_exactly_one_argument(args: tuple[Any, ...], path: str, expected: str) -> None:
    assert where(history_query, *args) == (path, expected)


def test_what_a_query_says() -> None:
    asked = {
        "limit": 10.0,
        "offset": 2,
        "timeRange": ["1970-01-01T00:00:01.5Z", None],
        "columns": ["a"],
        "columnPaths": ["j.x"],
        "filterAnd": [
            {"column": "a", "operator": "IN", "value": [1, "b", True]},
            {
                "combinator": "OR",
                "filters": [{"latest": True}, {"column": "b", "operator": "IS NULL", "dataType": "json"}],
            },
        ],
    }

    query = history_query((asked,))

    group = Group("OR", (Latest(), Predicate("b", "IS NULL", None, "json")))
    filters = (Predicate("a", "IN", (1, "b", True), None), group)
    assert query == HistoryQuery(10, 2, Span(1500, None), filters, ("a",), ("j.x",))
    assert "b" not in repr(query.filters[0])


@pytest.mark.parametrize(
    "bound", ["x", "", "2026-02-30", "2026-01-01T25:00:00Z", "1" * 400, float("nan"), float("inf")]
)
def test_a_bound_that_is_no_moment_opens_nothing(bound: Any) -> None:
    assert where(history_query, {"limit": 1, "timeRange": [None, bound]}) == ("$input[0].timeRange", RANGE)


def nested(depth: int) -> dict[str, Any]:
    """Groups in groups."""
    node: dict[str, Any] = {"column": "a", "operator": "IS NULL"}
    for _ in range(depth - 1):
        node = {"combinator": "AND", "filters": [node]}
    return node


def refused(filters: list[Any]) -> str:
    """The code with which they are refused; empty where they are taken."""
    try:
        history_query(({"limit": 1, "filterAnd": filters},))
    except Refusal as refusal:
        return refusal.uri.rpartition(".")[2]
    return ""


def test_filters_are_bounded() -> None:
    one = nested(1)
    assert refused([nested(16)]) == ""
    assert refused([nested(17)]) == "invalid_filter"
    assert refused([nested(100_000)]) == "invalid_filter"
    assert refused([one] * 200) == ""
    assert refused([one] * 201) == "invalid_filter"
    assert refused([{"combinator": "OR", "filters": [one] * 100}] * 2) == "invalid_filter"
    assert refused([{"column": "a", "operator": "IN", "value": [1] * 1_000}]) == ""
    assert refused([{"column": "a", "operator": "IN", "value": [1] * 1_000}] * 10) == ""
    assert refused([{"column": "a", "operator": "IN", "value": [1] * 1_000}] * 11) == "invalid_filter"
    assert refused([{"column": "a", "operator": "IN", "value": [1] * 1_001}]) == "invalid_filter"


@pytest.mark.parametrize(
    "node",
    [
        {"combinator": "AND", "filters": [], "column": "a"},
        {"combinator": "AND", "filters": [], "operator": "="},
        {"column": "a", "operator": "=", "value": 1, "filters": []},
        {"column": "a", "operator": "=", "value": 1, "combinator": "OR"},
        {"latest": True, "column": "a", "filters": []},
        {"column": "a", "operator": "=", "value": "x\0"},
        {"column": "a", "operator": "IN", "value": ["x", "\ud800"]},
        {"column": "a\udfff", "operator": "IS NULL"},
    ],
)
def test_what_could_be_read_in_two_ways_or_matches_nothing_is_refused(node: dict[str, Any]) -> None:
    assert refused([node]) == "invalid_filter"
    assert refused([{"combinator": "OR", "filters": [node]}]) == "invalid_filter"


def test_a_reveal_takes_a_hundred_rows() -> None:
    expected = '(number & Type<"uint32"> & Minimum<1> & Maximum<100>)'
    assert reveal_query(({"limit": 100, "columns": ["a"]},)).columns == ("a",)
    assert where(reveal_query, {}) == ("$input[0].limit", expected)
    assert where(reveal_query, {"limit": 0}) == ("$input[0].limit", "number & Minimum<1>")
    assert where(reveal_query, {"limit": 101}) == ("$input[0].limit", "number & Maximum<100>")
    assert where(reveal_query, {"limit": 1.5}) == ("$input[0].limit", 'number & Type<"uint32">')
    assert where(reveal_query) == ("$input", "[SecretQuerySelector]")
    assert where(reveal_query, 1) == ("$input[0]", "SecretQuerySelector")
    # The published validator looks at the columns first, and at the limit last.
    assert where(reveal_query, {"columns": 1, "offset": "x"}) == (
        "$input[0].columns",
        "(Array<string> | null | undefined)",
    )
    assert where(reveal_query, {"columnPaths": 1}) == ("$input[0].columnPaths", "(Array<string> | null | undefined)")


def test_a_verification_names_a_column_and_a_candidate() -> None:
    query = verify_query(({"limit": 1, "column": "a", "candidate": "open sesame"},))

    assert (query.column, query.candidate, query.rows.limit) == ("a", "open sesame", 1)
    assert "sesame" not in repr(query)
    assert where(verify_query, {"limit": 1}) == ("$input[0].column", "(string & MinLength<1>)")
    assert where(verify_query, {"limit": 1, "column": ""}) == ("$input[0].column", "string & MinLength<1>")
    assert where(verify_query, {"limit": 1, "column": "a"}) == ("$input[0].candidate", "string")
    assert where(verify_query, {"limit": 1, "column": "a", "candidate": 1}) == ("$input[0].candidate", "string")
    assert where(verify_query) == ("$input", "[SecretVerifyParams]")


METHODS = '("AVG" | "COUNT" | "FIRST" | "LAST" | "MAX" | "MIN" | "SUM")'


@pytest.mark.parametrize(
    ("change", "path", "expected"),
    [
        ({"metrics": MISSING}, ".metrics", "(Array<SeriesMetric> & MinItems<1>)"),
        ({"metrics": []}, ".metrics", "Array<> & MinItems<1>"),
        ({"metrics": ["t"], "method": "AVG"}, ".metrics[0]", "SeriesMetric"),
        ({"metrics": [{"method": "AVG"}]}, ".metrics[0].ref", "string"),
        ({"metrics": [{"ref": "t", "method": "avg"}]}, ".metrics[0].method", METHODS),
        ({"metrics": [{"ref": "t", "method": "AVG"}, {"ref": "t"}]}, ".metrics[1].method", METHODS),
        ({"limit": MISSING}, ".limit", '(number & Type<"uint32"> & Minimum<1> & Maximum<10000>)'),
        ({"limit": 0}, ".limit", "number & Minimum<1>"),
        ({"limit": 10_001}, ".limit", "number & Maximum<10000>"),
        ({"timeRange": MISSING}, ".timeRange", "(ISOTimeRange | TimeRange | null)"),
        ({"timeRange": {}}, ".timeRange", "(ISOTimeRange | TimeRange | null)"),
        ({"timeRange": [1]}, ".timeRange", RANGE),
        ({"timeRange": [1, "2026-01-01"]}, ".timeRange", RANGE),
        ({"bucketMs": "1000"}, ".bucketMs", "((number & Minimum<1000>) | null | undefined)"),
        ({"bucketMs": 999}, ".bucketMs", "number & Minimum<1000>"),
        ({"bucketMs": float("nan")}, ".bucketMs", "number & Minimum<1000>"),
        ({"bucketMs": float("inf")}, ".bucketMs", "number & Minimum<1000>"),
        ({"groupBy": "a"}, ".groupBy", "(Array<string> | null | undefined)"),
        ({"groupBy": ["a", 1]}, ".groupBy[1]", "string"),
        ({"filterAnd": [1]}, ".filterAnd[0]", "(SQLFilterGroup | SQLFilterLatestMarker | SQLFilterPredicate)"),
    ],
)
def test_a_series_query_is_refused_in_the_same_words(change: dict[str, Any], path: str, expected: str) -> None:
    asked = {key: value for key, value in {**SERIES, **change}.items() if value is not MISSING}

    assert where(series_query, asked) == (f"$input[0]{path}", expected)


def test_what_a_series_query_says() -> None:
    query = series_query(({**SERIES, "bucketMs": 1000, "groupBy": ["g"], "offset": None},))

    assert query == SeriesQuery((Metric("t", "AVG"),), 10, Span(1, None), 1000, ("g",), ())
    assert query.metrics[0].name == "AVG:t"
    assert series_query(({**SERIES, "timeRange": None},)).span is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = (
    "limit",
    "offset",
    "timeRange",
    "filterAnd",
    "columns",
    "columnPaths",
    "metrics",
    "bucketMs",
    "groupBy",
    "column",
)


@given(
    st.sampled_from([history_query, reveal_query, verify_query, series_query]),
    st.dictionaries(st.sampled_from(MEMBERS), json_values),
)
def test_nothing_else_than_a_refusal_comes_of_anything(taker: Any, asked: dict[str, Any]) -> None:
    try:
        taker((asked,))
    except Refusal as refusal:
        assert refusal.uri  # noqa: PT017 - which one is told above
