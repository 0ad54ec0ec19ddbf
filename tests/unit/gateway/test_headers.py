"""Headers as honest and as hostile clients send them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.records import Asked, HttpRefusedError
from services.gateway.rules.headers import (
    MAX_CREDENTIAL,
    MAX_KEY,
    check_accept,
    check_content,
    credential,
    idempotency_key,
)

KEY = "ifk_0123456789ab_" + "x" * 38


def asked(**headers: str | tuple[str, ...]) -> Asked:
    named = {name.replace("_", "-"): (value,) if isinstance(value, str) else value for name, value in headers.items()}
    return Asked("GET", "/devices", "", named, b"", "192.0.2.7")


@pytest.mark.parametrize(
    "value",
    [
        f"Bearer {KEY}",
        f"bearer {KEY}",
        f"BEARER   {KEY}",
        f"  Bearer {KEY}  ",
        f"Bearer\t{KEY}\t",
        f"Bearer {KEY}\u00a0",
    ],
)
def test_a_credential_is_read_and_outer_blanks_are_forgiven(value: str) -> None:
    assert credential(asked(authorization=value)) == KEY


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("",),
        (" ",),
        ("Bearer",),
        ("Bearer ",),
        (KEY,),
        (f"Basic {KEY}",),
        (f"Token {KEY}",),
        (f"Bearer:{KEY}",),
        (f"Bearer {KEY} {KEY}",),
        (f"Bearer {KEY},Bearer {KEY}",),
        (f"Bearer {KEY}, Basic x",),
        (f"Bearer {KEY}\0",),
        (f"Bearer {KEY}\n",  f"Bearer {KEY}"),
        (f"Bearer {KEY}", f"Bearer {KEY}"),
        (f"Bearer {KEY}", ""),
        (f'Bearer "{KEY}"',),
        ("Bearer \u0661",),
        ("Bearer =",),
        ("Bearer " + "x" * (MAX_CREDENTIAL + 1),),
    ],
    ids=repr,
)  # fmt: skip
def test_none_more_than_one_or_another_scheme_is_refused_without_a_reason(values: tuple[str, ...]) -> None:
    with pytest.raises(HttpRefusedError) as refused:
        credential(asked(authorization=values))

    assert refused.value.code == "unauthorized"
    assert KEY not in str(refused.value)


@given(st.lists(st.text(), max_size=3))
def test_any_header_is_a_credential_or_refused(values: list[str]) -> None:
    try:
        found = credential(asked(authorization=tuple(values)))
    except HttpRefusedError:
        return
    assert found in values[0]
    assert found.isascii()


@pytest.mark.parametrize(
    "accept",
    [(), ("",), ("*/*",), ("application/json",), ("Application/*;q=0.1",), ("text/html, */*;q=0.8",),
     ("text/html", "application/json")],
    ids=repr,
)  # fmt: skip
def test_whoever_takes_json_is_served(accept: tuple[str, ...]) -> None:
    check_accept(asked(accept=accept))


@pytest.mark.parametrize(
    "accept", ["text/html", "application/json;q=0", "application/json; q=0.000", "text/*", "x", "application/xml"]
)
def test_whoever_does_not_is_told(accept: str) -> None:
    with pytest.raises(HttpRefusedError) as refused:
        check_accept(asked(accept=accept))

    assert refused.value.code == "not_acceptable"


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", 'application/json;charset="UTF-8"']
)
def test_json_is_taken(kind: str) -> None:
    check_content(asked(content_type=kind))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": "multipart/form-data; boundary=x"},
        {"content_type": "application/json; charset=latin-1"},
        {"content_type": "application/json-patch+json"},
        {"content_type": ("application/json", "application/json")},
        {"content_type": "application/json", "content_encoding": "gzip"},
    ],
    ids=repr,
)
def test_other_content_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(HttpRefusedError) as refused:
        check_content(asked(**headers))

    assert refused.value.code == "unsupported_media_type"


@pytest.mark.parametrize(
    ("value", "key"), [("a", "a"), ('"8e03978e-40d5"', "8e03978e-40d5"), (" x ", "x"), ("x" * MAX_KEY, "x" * MAX_KEY)]
)
def test_a_key_is_read_with_and_without_quotes(value: str, key: str) -> None:
    assert idempotency_key(asked(idempotency_key=value)) == key
    assert idempotency_key(asked()) is None


@pytest.mark.parametrize(
    "values",
    [("",), (" ",), ('""',), ('"a',), ("a b",), ("a,b",), ("\u00e4",), ("a\0",), ("x" * (MAX_KEY + 1),), ("a", "a")],
)
def test_what_is_no_key_is_refused(values: tuple[str, ...]) -> None:
    with pytest.raises(HttpRefusedError) as refused:
        idempotency_key(asked(idempotency_key=values))

    assert refused.value.code == "malformed"
