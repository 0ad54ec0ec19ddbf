"""A row that came from elsewhere is what it says, or it is refused: SQL asks it more than once."""

import json
from typing import Any

import pytest

from deploy.backup.errors import UntrustedError
from deploy.carrying.rows import line_of, row_of

APP: dict[str, Any] = {"app_key": 7, "name": "Press", "name_canonical": "press", "owner_account_key": 5}
RELEASE: dict[str, Any] = {"release_key": 3, "app_key": 7, "version": "1.0 RC", "version_canonical": "1.0 rc"}


@pytest.mark.parametrize("content", [APP, RELEASE, {"release_key": None, "content": {"a_key": "x"}}], ids=str)
def test_a_row_comes_as_it_went(content: dict[str, Any]) -> None:
    assert row_of(line_of(("realms.app", content))) == ("realms.app", content)


@pytest.mark.parametrize("key", ["7", 7.0, True, [7], {"7": 7}], ids=repr)
def test_a_key_that_is_no_number_is_refused(key: object) -> None:
    with pytest.raises(UntrustedError, match=r"a row of realms\.release has no number as its app_key"):
        row_of(line_of(("realms.release", RELEASE | {"app_key": key})))


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("realms.app", {"name_canonical": "weather"}),
        ("realms.app", {"name_canonical": "Press"}),
        ("realms.app", {"name_canonical": None}),
        ("realms.app", {"name": None}),
        ("realms.app", {"name": "Pre\u200bss"}),
        ("realms.release", {"version": "2.0.0"}),
        ("realms.release", {"version": {"1.0 RC": 1}}),
    ],
    ids=str,
)
def test_a_name_under_which_another_lies_is_refused(part: str, change: dict[str, Any]) -> None:
    content = (APP if part == "realms.app" else RELEASE) | change

    with pytest.raises(UntrustedError, match="lies under another name than its own"):
        row_of(line_of((part, content)))


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"7", b'["realms.app"]', b"[7, {}]", b'["realms.app", []]'], ids=repr
)
def test_what_is_no_row_is_refused(line: bytes) -> None:
    with pytest.raises(UntrustedError, match="a row of the project"):
        row_of(line)


def test_the_last_of_two_values_of_one_name_is_the_one_that_counts_everywhere() -> None:
    twice = b'["realms.release", {"app_key": "7", "app_key": 7}]'

    assert (
        line_of(row_of(twice)) == json.dumps(["realms.release", {"app_key": 7}], separators=(",", ":")).encode() + b"\n"
    )
