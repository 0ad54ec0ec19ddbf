"""Cursors and pages."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidArgumentError
from shared.identities import MAX_KEY
from shared.paging import page, position_after


def cursor_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@given(st.integers(1, MAX_KEY))
def test_a_cursor_leads_behind_the_last_key_of_its_page(key: int) -> None:
    _, cursor = page([key, key], 1, lambda row: row)

    assert cursor is not None
    assert position_after(cursor) == key


def test_without_a_cursor_the_first_page_comes() -> None:
    assert position_after(None) == 0


@given(st.lists(st.integers(1, MAX_KEY), unique=True).map(sorted), st.integers(1, 7))
def test_pages_together_are_the_rows_and_no_row_comes_twice(keys: list[int], limit: int) -> None:
    seen: list[int] = []
    cursor: str | None = None
    for _ in range(len(keys) + 1):
        after = position_after(cursor)
        rows, cursor = page([key for key in keys if key > after][: limit + 1], limit, lambda row: row)
        assert len(rows) <= limit
        seen += rows
        if cursor is None:
            break

    assert seen == keys


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "k7",
        "7",
        "\u00e4",
        "%%%%",
        cursor_of("7"),
        cursor_of("k"),
        cursor_of("k-7"),
        cursor_of("k7.0"),
        cursor_of("k\u0667"),
        cursor_of("x7"),
        cursor_of(f"k{MAX_KEY + 1}"),
        cursor_of("k" + "1" * 5000),
    ],
)
def test_given_a_foreign_cursor_when_a_page_is_asked_for_then_it_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidArgumentError):
        position_after(cursor)


@given(st.text(max_size=50))
def test_any_text_gives_a_position_or_the_refusal(cursor: str) -> None:
    try:
        position = position_after(cursor)
    except InvalidArgumentError:
        return
    assert 0 <= position <= MAX_KEY
