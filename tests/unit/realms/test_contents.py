"""What can be kept as JSON comes back as it went there, and everything else is refused."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.realms.rules.contents import MAX_DEPTH, MAX_OCTETS, check_content
from shared.errors import InvalidArgumentError

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats()
    | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3), ANYTHING, max_size=4))
def test_what_is_taken_comes_back_equal(content: dict[str, Any]) -> None:
    try:
        check_content(content, what="content")
    except InvalidArgumentError:
        return
    assert json.loads(json.dumps(content)) == msgspec.json.decode(msgspec.json.encode(content)) == content


@pytest.mark.parametrize(
    "value", ["a\0", "\ud800", 2**53, -(2**53), float("nan"), float("inf"), b"x", {1: 2}, {"a\0": 1}, ("x",)], ids=repr
)
def test_what_cannot_be_kept_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        check_content({"a": [value]}, what="content")

    assert refused.value.details()["argument"] == "content"


def test_it_has_bounds() -> None:
    deep: dict[str, Any] = {}
    for _ in range(MAX_DEPTH - 1):
        deep = {"a": deep}
    check_content({"a": deep}, what="content")
    with pytest.raises(InvalidArgumentError):
        check_content({"a": {"a": deep}}, what="content")
    check_content({"a": "x" * (MAX_OCTETS - 8)}, what="content")
    with pytest.raises(InvalidArgumentError):
        check_content({"a": "x" * (MAX_OCTETS - 7)}, what="content")
