"""What the provider says of itself and of people, which clients it takes, and what a request needs next."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.provider.devices import plain_code
from services.auth.provider.ids import new_user_code
from services.auth.records.provider import Subject
from services.auth.rules.openid import (
    ACR_ONE,
    ACR_TWO,
    acr_of,
    claims_about,
    claims_of_sign_in,
    is_redirect_uri,
    next_step,
    redirect_matches,
)

NOW = datetime(2026, 11, 29, tzinfo=UTC)
SUBJECT = Subject(5, "anna@example.com", "Anna", "de", True, "ses_1", ["pwd", "otp", "mfa"], NOW, NOW)


@pytest.mark.parametrize(
    ("scopes", "names"),
    [
        (["openid"], {"sub"}),
        (["openid", "email"], {"sub", "email", "email_verified"}),
        (["profile"], {"sub", "name", "preferred_username", "locale"}),
        (["all", "read", "offline_access"], {"sub"}),
    ],
)
def test_a_client_learns_what_its_scopes_say(scopes: list[str], names: set[str]) -> None:
    assert set(claims_about(SUBJECT, scopes)) == names


def test_claims_say_how_and_when_somebody_signed_in() -> None:
    assert claims_of_sign_in(SUBJECT) == {
        "sid": "ses_1", "auth_time": int(NOW.timestamp()), "amr": ["pwd", "otp", "mfa"], "acr": ACR_TWO,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("amr", "acr"),
    [
        (["pwd"], ACR_ONE),
        (["fed"], ACR_ONE),
        (["pwd", "otp", "mfa"], ACR_TWO),
        (["pwd", "kba"], ACR_TWO),
        (["hwk"], ACR_TWO),
        ([], ACR_ONE),
    ],
)
def test_two_factors_or_a_passkey_are_more_than_one(amr: list[str], acr: str) -> None:
    assert acr_of(amr) == acr


GOOD = ["https://app.example/cb", "https://app.example:8443/cb?x=1", "http://127.0.0.1/cb", "http://[::1]:9/cb"]
BAD = [
    "", "x", "http://app.example/cb", "http://localhost/cb", "http://127.0.0.1.evil.example/cb", "https:///cb",
    "https://app.example/cb#x", "https://u@app.example/cb", "https://app.example\\@evil.example/", "https://a b/",
    "ftp://app.example/", "javascript:alert(1)", "data:text/html,x", "https://app.example/*", "//app.example/cb",
    "https://app.example/\n", "https://äpp.example/cb", "http://127.0.0.1@evil.example/cb",
]  # fmt: skip


@pytest.mark.parametrize("uri", GOOD)
def test_browsers_are_sent_over_tls_or_to_their_own_machine(uri: str) -> None:
    assert is_redirect_uri(uri)


@pytest.mark.parametrize("uri", BAD)
def test_browsers_are_sent_nowhere_else(uri: str) -> None:
    assert not is_redirect_uri(uri)


def test_a_redirect_uri_matches_exactly_but_for_the_port_of_a_loopback_address() -> None:
    registered = ["https://app.example/cb", "http://127.0.0.1/cb"]

    assert all(redirect_matches(registered, uri) for uri in (*registered, "http://127.0.0.1:49152/cb"))
    for uri in (
        "https://app.example:444/cb", "https://app.example/cb/", "https://app.example/CB", "http://127.0.0.1:1/other",
        "http://127.0.0.1:1/cb?x", "http://[::1]:1/cb", "https://127.0.0.1:1/cb", "http://127.0.0.1:1@evil.example/cb",
        "",
    ):  # fmt: skip
        assert not redirect_matches(registered, uri), uri


@given(st.text(max_size=60), st.lists(st.sampled_from(GOOD), max_size=3))
def test_whatever_matches_may_be_gone_to(uri: str, registered: list[str]) -> None:
    if redirect_matches(registered, uri):
        assert is_redirect_uri(uri)


asked = st.fixed_dictionaries(
    {
        "prompts": st.frozensets(st.sampled_from(["login", "consent", "select_account"]))
        | st.just(frozenset({"none"})),
        "max_age_s": st.none() | st.integers(0, 100),
        "age_s": st.none() | st.floats(0, 200),
        "shown_since": st.booleans(),
        "is_granted": st.booleans(),
        "has_consented": st.booleans(),
    }
)


@given(asked)
def test_nothing_is_answered_that_was_not_asked_for_and_done(request: dict[str, Any]) -> None:
    step, prompts = next_step(**request), request["prompts"]

    if step == "answer":
        assert request["age_s"] is not None
        assert request["is_granted"]
        assert request["has_consented"] or "consent" not in prompts
        assert request["shown_since"] or not {"login", "select_account"} & prompts
        too_old = request["max_age_s"] is not None and request["age_s"] > request["max_age_s"]
        assert request["shown_since"] or not too_old
    if "none" in prompts:
        assert step in ("answer", "login_required", "consent_required")
    else:
        assert step not in ("login_required", "consent_required")


@given(asked)
def test_whoever_does_what_is_asked_comes_to_an_answer(request: dict[str, Any]) -> None:
    if "none" in request["prompts"]:
        return
    for _ in range(4):
        match next_step(**request):
            case "sign_in" | "show_again":
                request = {**request, "age_s": 0.0, "shown_since": True}
            case "consent":
                request = {**request, "has_consented": True, "is_granted": True}
            case step:
                assert step == "answer"
                return
    pytest.fail("it goes round and round")


@given(st.sampled_from(["", "-", " ", ".", "_"]), st.integers(0, 8), st.booleans())
def test_a_code_is_read_however_people_type_it(between: str, place: int, lower: bool) -> None:
    code = new_user_code()
    typed = code[:place] + between + code[place:]

    assert plain_code(f" {typed.lower() if lower else typed} ") == code


@given(st.text(max_size=50))
def test_nothing_else_is_a_code(typed: str) -> None:
    code = plain_code(typed)

    assert code == "" or (code.isascii() and code.isalpha() and code.isupper())
