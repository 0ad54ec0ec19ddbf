"""JSON out of the database is read as the standard library reads it, whichever way is taken."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.database import read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_it_is_what_was_written(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)

    for each in (text, text.encode("utf-8", "surrogatepass")):
        assert repr(read_json(each)) == repr(json.loads(text))


@pytest.mark.parametrize("text", ["1e400", "-1e400", "123456789012345678901234567890", "1E5", "-0", '{"a":1,"a":2}'])
def test_unusual_numbers_are_what_they_are_there(text: str) -> None:
    assert repr(read_json(text)) == repr(json.loads(text))


def test_what_is_no_json_is_said_to_be_none() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        read_json(b"{")
