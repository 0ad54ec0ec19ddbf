"""Form tokens, and where a browser says that a request comes from."""

from hypothesis import assume, given
from hypothesis import strategies as st

from services.auth.rules.forgery import form_token, is_own, token_matches

COOKIES = st.text(min_size=1, max_size=80)
ORIGIN = "https://accounts.example.com"


@given(COOKIES)
def test_a_token_is_that_of_its_cookie_and_does_not_tell_it(cookie: str) -> None:
    token = form_token(cookie)

    assert token_matches(cookie, token)
    assert len(token) == 43
    assert token.isascii()
    assert len(cookie) < 8 or cookie not in token


@given(COOKIES, COOKIES)
def test_another_cookie_has_another_token(cookie: str, other: str) -> None:
    assume(cookie != other)

    assert not token_matches(cookie, form_token(other))


@given(COOKIES, st.text(max_size=80))
def test_what_is_no_token_matches_nothing(cookie: str, text: str) -> None:
    assume(text != form_token(cookie))

    assert not token_matches(cookie, text)


@given(st.text(max_size=50))
def test_without_a_cookie_nothing_matches(text: str) -> None:
    assert not token_matches("", text)
    assert not token_matches("", form_token(""))


@given(st.none() | st.text(max_size=20), st.none() | st.text(max_size=60))
def test_only_our_own_pages_are_our_own(fetch_site: str | None, origin: str | None) -> None:
    said = is_own(fetch_site=fetch_site, origin=origin, own_origin=ORIGIN)

    assert said == (fetch_site == "same-origin" or (fetch_site is None and origin == ORIGIN))


def test_the_newer_word_goes_first() -> None:
    assert not is_own(fetch_site="cross-site", origin=ORIGIN, own_origin=ORIGIN)
    assert is_own(fetch_site="same-origin", origin=None, own_origin=ORIGIN)
    assert is_own(fetch_site=None, origin=ORIGIN, own_origin=ORIGIN)
    assert not is_own(fetch_site=None, origin=None, own_origin=ORIGIN)
    assert not is_own(fetch_site=None, origin="null", own_origin=ORIGIN)
