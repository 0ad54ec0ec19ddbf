"""From requests to arguments."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.records import HttpRefusedError, Kind, Route
from services.gateway.rules.arguments import (
    MAX_MANY,
    from_body,
    from_path,
    from_query,
    many_of,
    query_of,
    segments_of,
)
from shared.errors import InvalidArgumentError

ROUTE = Route(
    "GET", "/x/{a_key}/{session}", "ironflock.x.y.z",
    path={"a_key": "a", "session": "w"},
    query={"n": Kind.WHOLE, "e": Kind.EITHER, "f": Kind.FLAG, "t": Kind.TEXT, "ids": Kind.KEYS, "names": Kind.NAMES},
    body=("name", "size"),
)  # fmt: skip
MANY = Route("POST", "/x", "ironflock.x.y.z", body=("name",), many="devices")


@pytest.mark.parametrize(
    "path",
    ["", "/", "//devices", "/devices/", "/devices//1", "/./devices", "/../devices", "/devices/..", "/%64evices",
     "/devices/%2e%2e", "/devices/1%2f2", "/devices/%00", "/devices\0", "/devices;x=1", "/devices/\u0661", "devices",
     "/devices\\1", "/devices/1 ", "/devices\n"],
)  # fmt: skip
def test_a_path_with_tricks_is_no_path(path: str) -> None:
    assert segments_of(path) is None


@given(st.text())
def test_any_path_is_parts_that_join_to_it_or_none(path: str) -> None:
    segments = segments_of(path)

    assert segments is None or "/" + "/".join(segments) == path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=&b=%C3%A4", {"a": "", "b": "\u00e4"}),
        ("a=x+y%2B", {"a": "x y+"}),
        ("a=1%3D2", {"a": "1=2"}),
    ],
)
def test_a_query_is_read(text: str, found: dict[str, str]) -> None:
    assert query_of(text) == found


@pytest.mark.parametrize(
    "text", ["a", "&", "a=1&", "a=%", "a=%zz", "a=%ff", "a=%ED%A0%80", "&".join(f"a{n}=1" for n in range(33))]
)
def test_a_malformed_query_is_refused(text: str) -> None:
    with pytest.raises(HttpRefusedError) as refused:
        query_of(text)

    assert refused.value.code == "malformed"


@pytest.mark.parametrize("text", ["a=1&a=1", "a=1&%61=2", "a=%00", "%00=1"])
def test_a_parameter_stands_once_and_is_a_text(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        query_of(text)


@given(st.text(st.characters(max_codepoint=255)))
def test_any_query_is_read_or_refused(text: str) -> None:
    try:
        found = query_of(text)
    except (HttpRefusedError, InvalidArgumentError):
        return
    assert all("\0" not in each for pair in found.items() for each in pair)


def test_each_text_becomes_what_it_stands_for() -> None:
    assert from_path(ROUTE, {"a_key": "7", "session": "7"}) == {"a": 7, "w": "7"}
    assert from_query(ROUTE, {"n": "-7", "e": "7", "f": "true", "t": "7", "ids": "1,2"}) == {
        "n": -7, "e": 7, "f": True, "t": "7", "ids": [1, 2],
    }  # fmt: skip
    assert from_query(ROUTE, {"e": "plant", "f": "false"}) == {"e": "plant", "f": False}
    assert from_query(ROUTE, {"names": "READ,GRANT"}) == {"names": ["READ", "GRANT"]}


@pytest.mark.parametrize(
    "query",
    [{"n": ""}, {"n": "1.0"}, {"n": "0x1"}, {"n": " 1"}, {"n": "1_0"}, {"n": "\u0661"}, {"n": "9" * 17}, {"n": "1\n"},
     {"f": "1"}, {"f": "True"}, {"f": ""}, {"ids": ""}, {"ids": "1,"}, {"ids": "1,,2"}, {"ids": "a"},
     {"ids": "0"}, {"ids": "1,-1"}, {"x": "1"},
     {"access_token": "1"}, {"assertion": "x"}],
    ids=repr,
)  # fmt: skip
def test_what_stands_for_nothing_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        from_query(ROUTE, query)

    assert refused.value.details()["argument"] == next(iter(query))


@pytest.mark.parametrize("text", ["x", "", "-", "1.5", "9" * 17, "0", "-1", "01", "9007199254740992"])
def test_a_key_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        from_path(ROUTE, {"a_key": text})


@pytest.mark.parametrize(
    "body",
    [None, 1, "x", True, [], [{}], {"other": 1}, {"name": "x", "assertion": "y"}, {"project": 1}, {"timeout_s": 1}],
)
def test_a_body_of_another_shape_is_refused(body: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        from_body(ROUTE, body)


def test_an_array_is_several_calls_where_several_are_taken() -> None:
    assert from_body(ROUTE, {"name": 1}) == [{"name": 1}]
    assert from_body(MANY, [{"name": "a"}, {}]) == [{"name": "a"}, {}]
    unfit: list[Any] = [[], [{}] * (MAX_MANY + 1), [[]], [{"x": 1}], [None]]
    for body in unfit:
        with pytest.raises(InvalidArgumentError):
            from_body(MANY, body)


def test_a_list_of_keys_is_several_calls() -> None:
    route = Route("DELETE", "/x", "ironflock.x.y.z", query={"ids": Kind.KEYS}, many="ids")

    assert many_of(route, {"project": 3, "ids": [1, 2]}) == [{"project": 3, "device": 1}, {"project": 3, "device": 2}]
    unfit: list[dict[str, Any]] = [{}, {"ids": []}, {"ids": [1, 1]}, {"ids": list(range(MAX_MANY + 1))}]
    for arguments in unfit:
        with pytest.raises(InvalidArgumentError):
            many_of(route, dict(arguments))
