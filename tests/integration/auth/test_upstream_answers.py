"""What another provider answers, as no provider should: nobody comes in, nothing changes, nobody sees an incident."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from hashlib import sha256, sha512
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from services.auth.upstream import asking
from shared import posting
from tests.integration.auth.browsers import Browser
from tests.integration.auth.elsewhere import Elsewhere
from tests.integration.auth.standin import CLIENT, Answer, StandIn, as_json
from tests.integration.flockctl.certificates import make_certificates

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
VERIFIED: dict[str, Any] = {"email": "bea@example.com", "email_verified": True}


async def refused(elsewhere: Elsewhere, browser: Browser, because: str, **claims: Any) -> None:
    """Somebody comes and is refused; nothing has changed."""
    before = elsewhere.state()
    assert await elsewhere.come(browser, **{**VERIFIED, **claims}) == 403, browser.text
    assert browser.reply.status == 403
    assert browser.at == "/sign-in/refused"
    assert browser.page.roles["alert"] == WORDS[because]
    assert elsewhere.state() == before
    assert "__Host-ironflock_session" not in browser.jar


WORDS = {
    "failed": "The other provider did not answer as it should. Nothing was changed; try again, or tell those who run"
    " this installation.",
    "unavailable": "The other provider cannot be reached. Try again in a moment.",
    "uninvited": "This does not open an account here. Ask for an invitation to the address that you have there.",
    "expired": "This took too long, or began in another browser. Begin again.",
    "declined": "You were not signed in: it was cancelled there.",
    "taken": "That account is linked already. Use another one, or unlink it first.",
}


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": 7},
        {"aud": "other"},
        {"aud": []},
        {"aud": None},
        {"aud": [CLIENT, "other"]},
        {"azp": "other"},
        {"iss": "https://other.example"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "ü"},
        {"sub": "x" * 256},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"iat": 1},
        {"iat": None},
        {"iat": 9_999_999_999},
        {"iat": True},
        {"nbf": 9_999_999_999},
        {"at_hash": "another"},
        {"at_hash": 7},
        {"auth_time": "today"},
        {"nonce": "\ud800"},
        {"at_hash": "\ud800"},
        {"at_hash": None, "sub": "a\0b"},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_us_now_opens_nothing(elsewhere: Elsewhere, claims: dict[str, Any]) -> None:
    await refused(elsewhere, elsewhere.browser(), "failed", **claims)


@pytest.mark.parametrize("kind", ["RS256", "PS256", "ES256", "Ed25519"])
async def test_every_algorithm_that_counts_signs_people_in(elsewhere: Elsewhere, kind: str) -> None:
    elsewhere.standin.turn(kind)
    digest = (sha512 if kind == "Ed25519" else sha256)(b"at").digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")

    assert await elsewhere.come(elsewhere.browser(), **VERIFIED, at_hash=half) == 200


def part(content: dict[str, Any]) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def forged(standin: StandIn, how: str) -> Callable[[dict[str, Any]], str]:
    """What makes a token that the provider has not signed."""
    other = ECKey.generate_key("P-256", {"kid": "k1"})
    secret = OctKey.import_key(json.dumps(standin.key.as_dict(private=False)))
    headers: dict[str, dict[str, Any]] = {
        "jwk": {"kid": "k1", "jwk": other.as_dict(private=False)},
        "other kid": {"kid": "k2"},
        "no kid": {},
    }

    def make(claims: dict[str, Any]) -> str:
        if how in ("none", "unsigned"):
            return f"{part({'alg': 'none' if how == 'none' else 'ES256', 'kid': 'k1'})}.{part(claims)}."
        if how == "hmac":
            return jwt.encode({"alg": "HS256", "kid": "k1"}, claims, secret, algorithms=["HS256"])
        return jwt.encode({"alg": "ES256", **headers.get(how, {"kid": "k1"})}, claims, other, algorithms=["ES256"])

    return make


@pytest.mark.parametrize("how", ["none", "unsigned", "hmac", "jwk", "other key", "other kid", "no kid"])
async def test_a_token_that_the_provider_has_not_signed_opens_nothing(
    elsewhere: Elsewhere, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = forged(elsewhere.standin, how)
    monkeypatch.setattr(elsewhere.standin, "token", lambda **claims: make(claims))

    await refused(elsewhere, elsewhere.browser(), "failed")


@pytest.mark.parametrize("kind", ["at+jwt", "logout+jwt"])
async def test_a_token_of_another_kind_opens_nothing(elsewhere: Elsewhere, kind: str) -> None:
    elsewhere.standin.header = {"typ": kind}

    await refused(elsewhere, elsewhere.browser(), "failed")


@pytest.mark.parametrize(
    ("path", "answer", "because"),
    [
        ("/token", as_json({"access_token": "at"}), "failed"),
        ("/token", as_json({"id_token": "a.b.c", "access_token": "\ud800"}), "failed"),
        ("/token", as_json({"error": "\ud800"}, 400), "unavailable"),
        ("/token", as_json({"id_token": ["x"]}), "failed"),
        ("/token", as_json({"id_token": "x"}), "failed"),
        ("/token", as_json({"id_token": "a.b.c"}), "failed"),
        ("/token", as_json({"id_token": "e30.e30." + "A" * 20_000}), "failed"),
        ("/token", as_json({"error": "invalid_client"}, 401), "failed"),
        ("/token", as_json([]), "unavailable"),
        ("/token", (200, {}, b"no JSON"), "unavailable"),
        ("/token", (500, {}, b""), "unavailable"),
        ("/token", (302, {"location": "https://localhost/token"}, b""), "unavailable"),
        ("/token", as_json({"id_token": "x" * 70_000}), "unavailable"),
        ("/token", (200, {}, b"[" * 60_000), "unavailable"),
        ("/keys", (500, {}, b""), "unavailable"),
        ("/keys", as_json({"keys": "none"}), "failed"),
        ("/keys", as_json({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "x": "!", "y": 7}, 5]}), "failed"),
        ("/keys", (301, {"location": "/other"}, b""), "unavailable"),
    ],
)
async def test_an_answer_that_is_none_opens_nothing(
    elsewhere: Elsewhere, path: str, answer: Answer, because: str
) -> None:
    elsewhere.standin.answers[path] = lambda *_: answer

    await refused(elsewhere, elsewhere.browser(), because)


@pytest.mark.parametrize(
    ("described", "because"),
    [
        ({"issuer": "https://localhost/"}, "failed"),
        ({"issuer": None}, "failed"),
        ({"token_endpoint": "http://localhost/token"}, "failed"),
        ({"token_endpoint": "https://169.254.169.254/token"}, "failed"),
        ({"jwks_uri": "file:///etc/passwd"}, "failed"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "failed"),
        ({"userinfo_endpoint": "https://[::1]/"}, "failed"),
        ({"id_token_signing_alg_values_supported": ["none", "HS256"]}, "failed"),
    ],
    ids=str,
)
async def test_a_provider_that_describes_itself_wrongly_is_not_asked(
    elsewhere: Elsewhere, described: dict[str, Any], because: str
) -> None:
    elsewhere.standin.described = described
    browser, before = elsewhere.browser(), elsewhere.state()
    await browser.get("/sign-in")

    assert await browser.submit("/upstream/works") == 403

    assert browser.page.roles["alert"] == WORDS[because]
    assert set(elsewhere.standin.asked) == {"/.well-known/openid-configuration"}
    assert elsewhere.state() == before


async def test_a_provider_that_is_away_or_not_vouched_for_is_not_asked(
    elsewhere: Elsewhere, standin: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = make_certificates(tmp_path_factory.mktemp("other"))
    for changes in ({"ca": str(other.ca)}, {"issuer": "https://localhost:1"}):
        elsewhere.know(standin.provider(**changes))
        browser = elsewhere.browser()
        await browser.get("/sign-in")
        assert await browser.submit("/upstream/works") == 403
        assert browser.page.roles["alert"] == WORDS["unavailable"]
    assert standin.asked == []


async def test_a_provider_that_is_silent_is_left_alone_for_a_moment(elsewhere: Elsewhere, standin: StandIn) -> None:
    standin.answers["/.well-known/openid-configuration"] = lambda *_: (500, {}, b"")
    browser = elsewhere.browser()
    for times, later_s in ((1, 0.0), (1, asking.SILENCE_S), (2, 0.0)):
        await browser.get("/sign-in")
        assert await browser.submit("/upstream/works") == 403
        assert len(standin.asked) == times
        elsewhere.people.now += later_s
    del standin.answers["/.well-known/openid-configuration"]
    elsewhere.people.now += asking.SILENCE_S

    assert await elsewhere.come(browser, **VERIFIED) == 200


async def test_a_provider_that_trickles_is_given_up(elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "MAX_TIME_S", 0.5)
    let_go = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(*_: object) -> Answer:
        asyncio.run_coroutine_threadsafe(let_go.wait(), loop).result(30)
        return as_json({})

    elsewhere.standin.answers["/token"] = slow
    started = time.monotonic()
    await refused(elsewhere, elsewhere.browser(), "unavailable")

    assert time.monotonic() - started < 4.5
    let_go.set()


async def test_a_new_key_is_found_at_once_and_a_forger_makes_no_requests(
    elsewhere: Elsewhere, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await elsewhere.come(elsewhere.browser(), **VERIFIED) == 200
    elsewhere.people.now += asking.KEYS_PAUSE_S
    standin.turn("ES256")
    assert await elsewhere.come(elsewhere.browser()) == 200
    assert standin.asked.count("/keys") == 2
    assert standin.asked.count("/.well-known/openid-configuration") == 1

    make = forged(standin, "other kid")
    monkeypatch.setattr(standin, "token", lambda **claims: make(claims))
    for _ in range(3):
        await refused(elsewhere, elsewhere.browser(), "failed")
    assert standin.asked.count("/keys") == 2


async def test_a_state_comes_back_once_in_its_own_browser_from_its_own_provider(
    elsewhere: Elsewhere, standin: StandIn
) -> None:
    elsewhere.know(standin.provider(), standin.provider(name="other", title="Other"))
    browser, thief = elsewhere.browser(), elsewhere.browser()
    standin.claims = VERIFIED
    back = standin.authorize(await elsewhere.sent(browser))
    stranger = standin.authorize(await elsewhere.sent(thief))
    before = elsewhere.state()

    for who, path in (
        (thief, back),
        (browser, stranger),
        (browser, back.replace("/works/", "/other/")),
        (browser, back.partition("state=")[0] + "state=x"),
        (browser, "/upstream/works/callback"),
        (browser, "/upstream/works/callback?error=access_denied"),
    ):
        assert await who.get(path) == 403
        assert who.page.roles["alert"] == WORDS["expired"], path
        assert elsewhere.state() == before
        browser.jar["__Host-ironflock_upstream"] = browser.jar.get("__Host-ironflock_upstream", "")
    for path, status in (("/upstream/nope/callback", 404), (f"{back}&state=2", 422), (f"{back}&code=%00", 422)):
        assert await browser.get(path) == status, path
    assert elsewhere.state() == before


async def test_a_request_is_spent_and_ends(elsewhere: Elsewhere, standin: StandIn) -> None:
    browser = elsewhere.browser()
    standin.claims = VERIFIED
    back = standin.authorize(await elsewhere.sent(browser))
    assert await browser.get(back) == 200
    assert await browser.get(back) == 403
    late = elsewhere.browser()
    back = standin.authorize(await elsewhere.sent(late))
    elsewhere.people.postgres.run("UPDATE auth.upstream_request SET ends_at = now()")

    assert await late.get(back) == 403
    assert late.page.roles["alert"] == WORDS["expired"]


@pytest.mark.parametrize(
    ("added", "described", "because"),
    [
        ("&iss=https://other.example", {}, "failed"),
        ("", {"authorization_response_iss_parameter_supported": True}, "failed"),
        ("&error=access_denied", {}, "declined"),
        ("&error=server_error", {}, "failed"),
    ],
)
async def test_an_answer_of_somebody_else_or_a_refusal_spends_the_request(
    elsewhere: Elsewhere, standin: StandIn, added: str, described: dict[str, Any], because: str
) -> None:
    standin.described, standin.claims = described, VERIFIED
    browser = elsewhere.browser()
    back = standin.authorize(await elsewhere.sent(browser)) + added
    before = elsewhere.state()

    assert await browser.get(back) == 403

    assert browser.page.roles["alert"] == WORDS[because]
    assert "/token" not in standin.asked
    assert elsewhere.state() == before
    assert elsewhere.rows("SELECT count(*) FROM auth.upstream_request") == [(0,)]


async def test_an_answer_that_names_its_issuer_is_taken(elsewhere: Elsewhere, standin: StandIn) -> None:
    standin.described, standin.claims = {"authorization_response_iss_parameter_supported": True}, VERIFIED
    browser = elsewhere.browser()
    back = standin.authorize(await elsewhere.sent(browser))

    assert await browser.get(f"{back}&iss={standin.issuer}") == 200
    assert browser.at == "/account"


async def test_claims_are_asked_for_where_the_token_has_none(elsewhere: Elsewhere, standin: StandIn) -> None:
    standin.described = {"userinfo_endpoint": f"{standin.issuer}/me"}
    standin.answers["/me"] = lambda _, headers, __: as_json(
        {"sub": "u-1" if headers["authorization"] == "Bearer at" else "", **VERIFIED}
    )
    assert await elsewhere.come(elsewhere.browser()) == 200

    standin.sub = "u-2"
    before = elsewhere.state()
    assert await elsewhere.come(elsewhere.browser()) == 403
    assert elsewhere.state() == before


@pytest.mark.parametrize("methods", [["client_secret_post"], ["client_secret_basic", "client_secret_post"], None])
async def test_the_secret_is_shown_as_the_provider_wants_it(
    elsewhere: Elsewhere, standin: StandIn, methods: list[str] | None
) -> None:
    seen: list[tuple[bool, bool]] = []
    standin.described = {"token_endpoint_auth_methods_supported": methods}

    def asked(_: str, headers: dict[str, str], body: bytes) -> Answer:
        seen.append(("authorization" in headers, b"client_secret=" in body))
        return as_json({"error": "invalid_grant"}, 400)

    standin.answers["/token"] = asked
    await refused(elsewhere, elsewhere.browser(), "failed")
    assert seen == [(False, True) if methods == ["client_secret_post"] else (True, False)]

    elsewhere.know(standin.provider(client_secret=None))
    await refused(elsewhere, elsewhere.browser(), "failed")
    assert seen[1:] == [(False, False)]
