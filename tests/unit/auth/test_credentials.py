"""What a browser's authenticator answered, as the form carries it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.pages.credentials import MAX_LENGTH, credential_of
from shared.errors import FactorRejectedError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.text(), st.dictionaries(st.text(), VALUES), st.dictionaries(st.text(), VALUES))
def test_a_credential_is_what_was_sent(name: str, response: dict[str, object], more: dict[str, object]) -> None:
    sent = {**more, "id": name, "response": response}
    text = json.dumps(sent)

    if len(text) <= MAX_LENGTH:
        assert credential_of(text) == sent


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "null",
        "[]",
        "1",
        '{"id": 1, "response": {}}',
        '{"id": "x"}',
        '{"id": "x", "response": []}',
        "[" * 20_000,
        '{"id":"x","response":{},"y":"' + "z" * MAX_LENGTH + '"}',
        "9" * 10_000,
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(FactorRejectedError):
        credential_of(text)


@given(st.text() | VALUES.map(json.dumps))
def test_nothing_else_is_ever_raised(text: str) -> None:
    try:
        found = credential_of(text)
    except FactorRejectedError:
        return
    assert isinstance(found["id"], str)
