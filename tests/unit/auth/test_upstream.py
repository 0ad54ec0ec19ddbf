"""What counts of what another provider says: laws, and what follows from who somebody is there."""

import base64
import json
from contextlib import suppress
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.records.upstream import ALGORITHMS, UpstreamProvider
from services.auth.rules.upstream import (
    MAX_AGE_S,
    MAX_SKEW_S,
    Header,
    UntrustedError,
    address_of,
    has_two_factors,
    header_of,
    is_endpoint,
    keys_for,
    may_unlink,
    metadata_of,
    next_step,
    pause_of_checks,
    plain,
    require_access_token,
    require_identity,
    require_logout,
)

ISSUER, NOW = "https://login.example/realms/a", 1_800_000_000.0
PROVIDER = UpstreamProvider(
    name="works", title="Works", issuer=ISSUER, client_id="here", client_secret=None, scopes=("openid",),
    trusts_addresses=True, satisfies_second_factor=True, required_claims={}, session_hours=12, ca=None,
)  # fmt: skip
GOOD: dict[str, Any] = {"iss": ISSUER, "aud": "here", "sub": "u", "iat": NOW, "exp": NOW + 60, "nonce": "n"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
NAMES = ("iss", "aud", "azp", "sub", "iat", "exp", "nbf", "nonce", "sid", "jti", "events", "amr", "acr", "email",
         "email_verified", "at_hash")  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "issuer": ISSUER, "authorization_endpoint": "https://login.example/a", "token_endpoint": "https://tokens.example/t",
    "jwks_uri": "https://keys.example/k", "id_token_signing_alg_values_supported": ["none", "RS256", "HS256"],
}  # fmt: skip


@given(st.sampled_from(NAMES), JSON)
def test_a_claim_of_any_kind_is_taken_or_refused_and_nothing_else(name: str, value: Any) -> None:
    claims = {**GOOD, "jti": "j", "sid": "s", "events": {}, name: value}

    with suppress(UntrustedError):
        require_identity(claims, PROVIDER, nonce="n", now=NOW)
    with suppress(UntrustedError):
        require_logout(claims, PROVIDER, now=NOW)
    with suppress(UntrustedError):
        require_access_token(claims, "RS256", "at")
    assert has_two_factors(claims, PROVIDER) in (True, False)
    assert address_of(claims, PROVIDER) is None or isinstance(value, str | bool)


@given(JSON)
def test_a_header_a_key_set_and_a_document_of_any_kind_are_refused_and_nothing_else(value: Any) -> None:
    part = base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    with suppress(UntrustedError):
        header_of(f"{part}.e30.AA")
    with suppress(UntrustedError):
        keys_for(Header("RS256", None, None), value, ("RS256",))
    with suppress(UntrustedError):
        keys_for(Header("RS256", None, None), {"keys": [value]}, ("RS256",))
    for name in DOCUMENT:
        with suppress(UntrustedError):
            metadata_of({**DOCUMENT, name: value}, ISSUER)
    with pytest.raises(UntrustedError):
        metadata_of(value, ISSUER)


@given(st.text(max_size=60))
def test_a_token_is_three_parts_of_ascii_or_none(text: str) -> None:
    try:
        header_of(text)
    except UntrustedError:
        return
    assert text.count(".") == 2


@pytest.mark.parametrize("more", [{"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"zip": "DEF"}, {"alg": 5}], ids=str)
def test_a_header_that_wants_more_is_refused(more: dict[str, Any]) -> None:
    part = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", **more}).encode()).decode()
    with pytest.raises(UntrustedError):
        header_of(f"{part}.e30.AA")


@given(st.floats(-2 * MAX_AGE_S, 2 * MAX_AGE_S), st.floats(1, 600))
def test_a_token_counts_from_when_it_was_made_until_its_end(age_s: float, life_s: float) -> None:
    claims = {**GOOD, "iat": NOW - age_s, "exp": NOW - age_s + life_s}
    counts = -MAX_SKEW_S <= age_s <= MAX_AGE_S + MAX_SKEW_S and NOW - age_s + life_s > NOW - MAX_SKEW_S

    try:
        require_identity(claims, PROVIDER, nonce="n", now=NOW)
    except UntrustedError:
        assert not counts
    else:
        assert counts


@given(st.sampled_from([*ALGORITHMS, "none", "HS256", "RS1"]), st.sampled_from(["RSA", "EC", "OKP", "oct", None]))
def test_a_key_signs_by_algorithms_of_its_own_kind_alone(algorithm: str, kind: str | None) -> None:
    crv = {"EC": "P-256", "OKP": "Ed25519"}.get(str(kind))
    key = {"kty": kind, "crv": crv, "n": "x" * 400, "k": "secret"}

    try:
        found = keys_for(Header(algorithm, None, None), {"keys": [key]}, tuple(ALGORITHMS))
    except UntrustedError:
        assert algorithm not in ALGORITHMS
    else:
        assert found == ([key] if ALGORITHMS[algorithm] == kind else [])


@pytest.mark.parametrize(
    "changes",
    [{"use": "enc"}, {"alg": "PS256"}, {"kid": "other"}, {"kty": "oct"}, {"n": "x" * 300}, {"n": 7}],
    ids=str,
)
def test_a_key_for_something_else_does_not_count(changes: dict[str, Any]) -> None:
    key = {"kty": "RSA", "kid": "k", "n": "x" * 342, "e": "AQAB"}
    header = Header("RS256", "k", None)

    assert keys_for(header, {"keys": [key]}, ("RS256",)) == [key]
    assert keys_for(header, {"keys": [{**key, **changes}]}, ("RS256",)) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example/x", "https://", "https://u@login.example/", "https://login.example/#f", "//login.example",
        "https://login.example\\@evil/", "https://127.0.0.1/", "https://[::1]/", "https://localhost/", "https://db/",
        "https://a.localhost/", "https://10.0.0.1/", "https://login.example:0/", "https://login.example:99999/",
        "https://[x/", "ftp://login.example/", "https://ü.example/", "https://login.example/ x", None, 7,
    ],
)  # fmt: skip
def test_nothing_is_asked_that_is_no_https_place_of_the_world(url: Any) -> None:
    assert not is_endpoint(url, ISSUER)


def test_a_provider_on_this_machine_has_its_places_there() -> None:
    assert is_endpoint("https://localhost:8441/x", "https://localhost:9")
    assert is_endpoint("https://10.0.0.1/x", "https://10.0.0.1")
    assert not is_endpoint("https://10.0.0.2/x", "https://10.0.0.1")


def test_a_document_says_what_counts_alone() -> None:
    found = metadata_of(DOCUMENT, ISSUER)

    assert found.algorithms == ("RS256",)
    assert (found.takes_basic, found.names_itself, found.userinfo_endpoint) == (True, False, None)
    for issuer in (f"{ISSUER}/", ISSUER.upper(), "https://login.example"):
        with pytest.raises(UntrustedError):
            metadata_of(DOCUMENT, issuer)


@given(
    st.booleans(), st.booleans(), st.sampled_from(["pending", "active", "disabled", None]), st.booleans(), st.booleans()
)
def test_nobody_comes_into_an_account_that_is_there_without_a_link(
    is_linked: bool,
    can_sign_in: bool,
    state: Literal["pending", "active", "disabled"] | None,
    has_address: bool,
    is_open: bool,
) -> None:
    step = next_step(
        is_linked=is_linked, can_sign_in=can_sign_in, state=state, has_address=has_address, is_open=is_open
    )

    assert (step == "sign_in") == (is_linked and can_sign_in)
    assert (step == "shut_out") == (is_linked and not can_sign_in)
    assert step != "confirm" or state == "active"
    assert step != "come" or (state == "pending" and has_address)
    assert step != "create" or (state is None and has_address and is_open)
    assert step == "uninvited" or is_linked or has_address


@given(st.booleans(), st.integers(0, 3), st.integers(1, 3))
def test_a_way_in_is_left(has_password: bool, passkeys: int, links: int) -> None:
    left = has_password + passkeys + links - 1

    assert may_unlink(has_password=has_password, passkeys=passkeys, links=links) == (left > 0)


@given(st.floats(0, 1, exclude_max=True))
def test_checks_are_spread(chance: float) -> None:
    assert 540 <= pause_of_checks(chance, pause_s=600) <= 660


@given(JSON)
def test_plain_is_a_text_that_can_be_kept_anywhere(value: Any) -> None:
    found = plain(value)

    assert found is None or (found == value and found.encode("ascii").isascii() and "\0" not in found)
