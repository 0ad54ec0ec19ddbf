"""Requests as pages see them: what is malformed is refused, what is there twice too."""

from urllib.parse import urlencode

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from services.auth.pages import cookies
from services.auth.pages.visits import FORM_TYPE, MAX_FIELDS, Asked, Visit, fields_of, form_of
from services.auth.records.sessions import Source
from services.auth.rules.forgery import form_token
from shared.errors import InvalidArgumentError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VISIT = Visit("/sign-in", {}, {}, {}, Source("192.0.2.1", ""), "en", None, "fresh")


def asked(body: bytes, content_type: str = FORM_TYPE, method: str = "POST") -> Asked:
    return Asked(method, "/sign-in", "", {"content-type": content_type}, {}, body, "192.0.2.1")


@given(st.lists(st.tuples(TEXT, TEXT), max_size=MAX_FIELDS))
def test_fields_are_read_as_they_were_written(pairs: list[tuple[str, str]]) -> None:
    found = form_of(asked(urlencode(pairs).encode()))

    assert sorted((name, value) for name, values in found.items() for value in values) == sorted(pairs)


@given(st.binary(max_size=300))
def test_whatever_is_sent_is_fields_or_refused(body: bytes) -> None:
    try:
        found = form_of(asked(body))
    except InvalidArgumentError:
        return
    assert all(isinstance(name, str) for name in found)


@pytest.mark.parametrize("text", ["a=%FF", "%ED%A0%80=1", "&".join("a=b" for _ in range(MAX_FIELDS + 1))])
def test_what_is_no_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        fields_of(text)


def test_what_stands_there_twice_or_holds_a_nul_is_refused() -> None:
    visit = evolve(VISIT, form={"a": ("1", "2"), "b": ("\0",)}, query={"c": ("1", "1")})

    for read in (lambda: visit.field("a"), lambda: visit.field("b"), lambda: visit.asked("c")):
        with pytest.raises(InvalidArgumentError):
            read()
    assert visit.fields("a") == ("1", "2")
    assert (visit.field("d"), visit.fields("d")) == ("", ())


def test_a_body_of_a_page_that_is_looked_at_is_not_read() -> None:
    assert form_of(asked(b"\xff", method="GET")) == {}
    assert form_of(asked(b"", content_type="text/plain")) == {}
    with pytest.raises(InvalidArgumentError):
        form_of(asked(b"a=b", content_type="text/plain"))


def test_the_form_token_is_bound_to_the_browser() -> None:
    kept = evolve(VISIT, fresh_form_cookie=None, cookies={cookies.FORM: "kept"})

    assert VISIT.form_token == form_token("fresh")
    assert kept.form_token == form_token("kept")
    assert evolve(kept, form={"form_token": (form_token("kept"),)}).is_ours()
    assert not evolve(kept, form={"form_token": (form_token("fresh"),)}).is_ours()
    assert not evolve(VISIT, form={"form_token": (form_token(""),)}).is_ours()


def test_where_it_leads_is_a_place_of_ours() -> None:
    assert evolve(VISIT, query={"return_to": ("/account/data",)}).return_to == "/account/data"
    assert (
        evolve(VISIT, form={"return_to": ("//evil",)}, query={"return_to": ("/account/data",)}).return_to == "/account"
    )


def test_a_page_for_people_who_are_signed_in_has_a_session() -> None:
    with pytest.raises(LookupError):
        _ = VISIT.signed_in


def test_no_secret_of_a_request_stands_in_what_is_logged() -> None:
    request = evolve(
        asked(b"password=s3cret"), cookies={"a": "s3cret"}, query="code=s3cret", headers={"cookie": "s3cret"}
    )

    assert "s3cret" not in repr(request)
    assert "s3cret" not in repr(
        evolve(VISIT, cookies={"a": "s3cret"}, form={"b": ("s3cret",)}, query={"c": ("s3cret",)})
    )
