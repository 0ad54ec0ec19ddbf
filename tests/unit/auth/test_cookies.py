"""Cookies as their header says them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.pages import cookies
from services.auth.pages.cookies import Cookie, gone, of_notice, of_sign_in

VALUES = st.from_regex(r"[A-Za-z0-9_.-]{0,256}", fullmatch=True)


@given(VALUES, st.none() | st.integers(0, cookies.YEAR_S))
def test_every_cookie_is_for_this_host_over_tls_and_for_no_script(value: str, life_s: int | None) -> None:
    name, _, rest = Cookie(cookies.SESSION, value, life_s).header().partition("=")
    said, *attributes = rest.split("; ")

    assert (name, said) == ("__Host-ironflock_session", value)
    assert attributes[:4] == ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]
    assert attributes[4:] == ([] if life_s is None else [f"Max-Age={life_s}"])


@given(st.text())
def test_a_value_never_becomes_anything_else_in_a_header(text: str) -> None:
    try:
        header = Cookie(cookies.SESSION, text).header()
    except ValueError:
        return
    assert text.isascii()
    assert not set(text) & set('; ,\r\n\0="')
    assert header.count(";") == 4


@pytest.mark.parametrize("value", ["a;b", "a\r\nb", "ü", "a b", "x" * 257, "a=b"])
def test_another_value_is_our_own_mistake(value: str) -> None:
    with pytest.raises(ValueError, match="cannot have this value"):
        Cookie(cookies.SESSION, value).header()


def test_what_is_gone_has_no_life() -> None:
    assert gone(cookies.SESSION).header().endswith("; Max-Age=0")
    assert "Max-Age=600" in of_sign_in("x").header()
    assert "Max-Age=60" in of_notice("saved").header()


def test_no_value_stands_in_what_is_logged() -> None:
    assert "s3cret" not in repr(Cookie(cookies.SESSION, "s3cret"))


def test_every_name_is_bound_to_the_host() -> None:
    names = [cookies.SESSION, cookies.BROWSER, cookies.SIGN_IN, cookies.FORM, cookies.LANGUAGE, cookies.NOTICE]

    assert len(set(names)) == len(names)
    assert all(name.startswith("__Host-") for name in names)
