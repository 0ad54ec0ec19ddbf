"""Payloads that would break others, and all others."""

import json
from typing import Any

import pytest
from autobahn.wamp import message
from hypothesis import given
from hypothesis import strategies as st

from ironflock_router.messages import payload_refusal
from ironflock_router.payloads import MAX_DEPTH, MAX_INTEGER, MIN_INTEGER, is_too_deep, problem

scalars = st.none() | st.booleans() | st.integers(MIN_INTEGER, MAX_INTEGER) | st.floats() | st.text()
payloads = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=20
)


def nested(levels: int, *, with_dictionaries: bool = False) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"x": value} if with_dictionaries else [value]
    return value


@given(payloads)
def test_what_every_serializer_carries_passes(payload: Any) -> None:
    assert problem([[payload], {"x": payload}]) is None
    assert not is_too_deep(json.dumps(payload).encode())


@pytest.mark.parametrize("with_dictionaries", [False, True])
def test_depth_is_bounded_before_and_after_decoding(with_dictionaries: bool) -> None:
    fine = nested(MAX_DEPTH, with_dictionaries=with_dictionaries)
    deep = nested(MAX_DEPTH + 1, with_dictionaries=with_dictionaries)
    assert not is_too_deep(json.dumps(fine).encode())
    assert is_too_deep(json.dumps(deep).encode())
    assert problem([fine]) is None
    assert problem([deep]) is not None


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 1000, b"[" * 40 + b'"' + b"]" * 40])
def test_malformed_json_is_measured_too(text: bytes) -> None:
    assert is_too_deep(text)


def test_an_unterminated_string_reaches_to_the_end() -> None:
    assert not is_too_deep(b'"\\"' + b"[" * 100)  # the decoder refuses it before it nests


@given(st.text(alphabet='[]{}"\\x', max_size=200))
def test_brackets_in_text_are_no_depth(text: str) -> None:
    assert not is_too_deep(json.dumps([text] * 40).encode())


@pytest.mark.parametrize("names", [(1e30, 10**30), (10**30, 1e30)])
def test_of_names_that_are_equal_each_is_looked_at(names: tuple[Any, Any]) -> None:
    assert problem([[{name: 1} for name in names]]) is not None


@given(payloads, st.sampled_from(["\ud800", MAX_INTEGER + 1, MIN_INTEGER - 1]), st.booleans())
def test_what_cannot_be_carried_is_found_among_all_else(payload: Any, bad: Any, is_name: bool) -> None:
    assert problem([[payload, {"x": [{bad: payload}]} if is_name else [payload, {"x": bad}]], {"y": payload}])


@pytest.mark.parametrize("value", ["\ud800", ["\udfff"], {"\ud800": 1}, MAX_INTEGER + 1, MIN_INTEGER - 1, 10**400])
def test_what_some_serializer_cannot_carry_is_named(value: Any) -> None:
    assert problem([[value], None]) is not None


@pytest.mark.parametrize(
    ("msg", "becomes"),
    [
        (message.Call(1, "com.x", kwargs={"self": 1}), message.Error),
        (message.Call(1, "com.x", kwargs={"callee": 1, "error": 1}), type(None)),
        (message.Call(1, "wamp.session.add_testament", args=["com.x", [], {"fun": 1}]), message.Error),
        (message.Call(1, "wamp.session.add_testament", kwargs={"topic": "com.x", "kwargs": {"fun": 1}}), message.Error),
        (message.Publish(1, "com.x", kwargs={"fun": 1}), str),
        (message.Yield(1, kwargs={"callee": 1}), str),
        (message.Error(message.Invocation.MESSAGE_TYPE, 1, "com.x", kwargs={"error": "x"}), str),
        (message.Error(message.Invocation.MESSAGE_TYPE, 1, "com.x", args=[{"error": "x"}]), type(None)),
    ],
)
def test_names_that_would_end_the_session_of_who_gets_them_are_not_passed_on(msg: Any, becomes: type[Any]) -> None:
    assert isinstance(payload_refusal(msg), becomes)
