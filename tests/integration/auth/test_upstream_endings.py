"""Whoever is out at the provider is out here: checked with its refresh token, told by it, or ended after hours."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest

from services.auth.keyring import Keyring
from services.auth.pages.programs import Programs, endpoints_of_upstream
from services.auth.pages.visits import FORM_TYPE, Asked
from services.auth.provider import signing_keys
from services.auth.resealing import reseal_everything
from services.auth.upstream.coming import HOUR_S
from tests.integration.auth.browsers import Browser
from tests.integration.auth.elsewhere import Elsewhere
from tests.integration.auth.material import masters
from tests.integration.auth.people import NAME, PASSWORD
from tests.integration.auth.relying import DEVICE, relying_party
from tests.integration.auth.standin import EVENT, Answer, StandIn, as_json

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
VERIFIED: dict[str, Any] = {"email": "bea@example.com", "email_verified": True}


async def came(elsewhere: Elsewhere, **claims: Any) -> Browser:
    browser = elsewhere.browser()
    assert await elsewhere.come(browser, **{**VERIFIED, **claims}) == 200, browser.text
    assert browser.at == "/account"
    return browser


async def is_in(browser: Browser) -> bool:
    await browser.get("/account")
    return browser.at == "/account"


def due(elsewhere: Elsewhere) -> None:
    elsewhere.people.postgres.run("UPDATE auth.upstream_session SET next_check_at = now()")


def because(elsewhere: Elsewhere) -> list[str]:
    query = "SELECT ended_because FROM auth.session WHERE ended_at IS NOT NULL ORDER BY ended_at, session_id"
    return [row[0] for row in elsewhere.rows(query)]


async def test_a_sign_in_that_the_provider_confirms_goes_on_with_its_next_token(
    elsewhere: Elsewhere, standin: StandIn
) -> None:
    standin.given = {"refresh_token": "first"}
    browser = await came(elsewhere)
    assert b"first" not in elsewhere.rows("SELECT sealed FROM auth.upstream_session")[0][0]
    asked: list[bytes] = []
    given = iter(["second", "third"])

    def refreshed(_: str, __: dict[str, str], body: bytes) -> Answer:
        asked.append(body)
        return as_json({"access_token": "at", "refresh_token": next(given)})

    standin.answers["/token"] = refreshed
    await elsewhere.upstream.checks.keep_up()
    assert asked == []
    for _ in range(2):
        due(elsewhere)
        await elsewhere.upstream.checks.keep_up()
        await elsewhere.upstream.checks.keep_up()

    assert [b"refresh_token=first" in asked[0], b"refresh_token=second" in asked[1], len(asked)] == [True, True, 2]
    assert await is_in(browser)


@pytest.mark.parametrize("error", ["invalid_grant", "access_denied"])
async def test_whoever_is_out_there_is_out_here_with_all_that_lives_from_it(
    elsewhere: Elsewhere, standin: StandIn, error: str
) -> None:
    standin.given = {"refresh_token": "first"}
    await elsewhere.people.join()
    browser = await came(elsewhere)
    by_password = elsewhere.browser()
    await by_password.sign_in(NAME, PASSWORD)
    elsewhere.people.postgres.run(
        "INSERT INTO auth.session (session_id, account_key, kind, amr, address, user_agent, last_address, ends_at,"
        " upstream_id) SELECT 'ses_app', account_key, 'application', amr, address, user_agent, last_address, ends_at,"
        " upstream_id FROM auth.session WHERE upstream_id IS NOT NULL"
    )
    standin.answers["/token"] = lambda *_: as_json({"error": error}, 400)
    due(elsewhere)

    await elsewhere.upstream.checks.keep_up()

    assert not await is_in(browser)
    assert await is_in(by_password)
    assert because(elsewhere) == ["the provider that they came by does not know them any more"] * 2
    assert elsewhere.people.actions()[-1:] == ["session.ended"]
    assert elsewhere.rows("SELECT count(*) FROM auth.upstream_session") == [(0,)]
    assert await elsewhere.come(elsewhere.browser(), nonce="x") == 403


@pytest.mark.parametrize(
    "answer",
    [as_json({"error": "temporarily_unavailable"}, 503), (500, {}, b""), as_json({"error": "invalid_client"}, 401)],
)
async def test_a_provider_that_is_away_ends_nothing_until_it_has_been_away_for_too_long(
    elsewhere: Elsewhere, standin: StandIn, answer: Answer
) -> None:
    standin.given = {"refresh_token": "first"}
    browser = await came(elsewhere)
    standin.answers["/token"] = lambda *_: answer
    due(elsewhere)

    await elsewhere.upstream.checks.keep_up()
    assert await is_in(browser)
    elsewhere.people.postgres.run("UPDATE auth.upstream_session SET counts_until = now()")
    await elsewhere.upstream.checks.keep_up()

    assert not await is_in(browser)
    assert because(elsewhere) == ["the provider that they came by has not confirmed it for too long"]


async def test_a_refreshed_token_of_somebody_else_confirms_nothing(elsewhere: Elsewhere, standin: StandIn) -> None:
    standin.given = {"refresh_token": "first"}
    await came(elsewhere)
    until = elsewhere.rows("SELECT counts_until FROM auth.upstream_session")
    standin.answers["/token"] = lambda *_: as_json(
        {"access_token": "at", "id_token": standin.logout_token(sub="u-9", events=None)}
    )
    due(elsewhere)
    await elsewhere.upstream.checks.keep_up()
    assert elsewhere.rows("SELECT counts_until FROM auth.upstream_session") == until

    standin.answers["/token"] = lambda *_: as_json(
        {"access_token": "at", "id_token": standin.logout_token(events=None)}
    )
    due(elsewhere)
    await elsewhere.upstream.checks.keep_up()
    assert elsewhere.rows("SELECT counts_until FROM auth.upstream_session") > until


async def test_without_a_refresh_token_it_ends_after_the_hours_that_were_set(
    elsewhere: Elsewhere, standin: StandIn
) -> None:
    elsewhere.know(standin.provider(session_hours=3))
    browser = await came(elsewhere)
    query = "SELECT extract(epoch FROM counts_until - created_at)::int FROM auth.upstream_session"
    assert elsewhere.rows(query) == [(3 * HOUR_S,)]
    due(elsewhere)
    await elsewhere.upstream.checks.keep_up()
    assert standin.asked.count("/token") == 1
    assert await is_in(browser)

    elsewhere.people.postgres.run("UPDATE auth.upstream_session SET counts_until = now()")
    await elsewhere.upstream.checks.keep_up()

    assert not await is_in(browser)


async def test_two_who_check_at_once_ask_once(elsewhere: Elsewhere, standin: StandIn) -> None:
    standin.given = {"refresh_token": "first"}
    await came(elsewhere)
    due(elsewhere)

    await asyncio.gather(*(elsewhere.upstream.checks.keep_up() for _ in range(4)))

    assert standin.asked.count("/token") == 2


async def told(elsewhere: Elsewhere, token: str, name: str = "works", **fields: str) -> int:
    programs = Programs(endpoints_of_upstream(elsewhere.upstream), asyncio.ensure_future)
    body = urlencode({"logout_token": token, **fields}).encode()
    path = f"/upstream/{name}/logout"
    return (await programs.reply(Asked("POST", path, "", {"content-type": FORM_TYPE}, {}, body, "192.0.2.7"))).status


async def test_a_logout_token_ends_the_session_that_it_names_once(elsewhere: Elsewhere, standin: StandIn) -> None:
    first, second = await came(elsewhere, sid="s1"), await came(elsewhere, sid="s2")
    token = standin.logout_token(sid="s1")

    assert await told(elsewhere, token) == 200
    assert not await is_in(first)
    assert await is_in(second)
    assert await told(elsewhere, token) == 400
    assert await told(elsewhere, standin.logout_token(sid="s2", sub="u-9")) == 200
    assert await is_in(second)
    assert await told(elsewhere, standin.logout_token()) == 200
    assert not await is_in(second)
    assert because(elsewhere) == ["signed out at the provider that they came by"] * 2


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"aud": "other"},
        {"events": None},
        {"events": {EVENT: None}},
        {"events": {}},
        {"nonce": "n"},
        {"jti": None},
        {"sub": None},
        {"exp": 1},
        {"iat": 1},
        {"sid": 7},
        {"sid": "a\0b"},
        {"jti": "\ud800"},
    ],
    ids=str,
)
async def test_a_logout_token_that_does_not_count_ends_nothing(
    elsewhere: Elsewhere, standin: StandIn, changes: dict[str, Any]
) -> None:
    await came(elsewhere)
    before = elsewhere.state()

    assert await told(elsewhere, standin.logout_token(**changes)) == 400

    assert elsewhere.state() == before


async def test_nobody_else_signs_people_out(elsewhere: Elsewhere, standin: StandIn) -> None:
    await came(elsewhere)
    before = elsewhere.state()
    for token in ("", "x", "a.b.c", "e30.e30.", standin.logout_token()[:-4] + "AAAA"):
        assert await told(elsewhere, token) == 400, token
    standin.turn("ES256")
    assert await told(elsewhere, standin.logout_token()) == 400  # its keys were read just now

    assert elsewhere.state() == before


async def test_what_waits_for_a_second_factor_is_over_too(elsewhere: Elsewhere, standin: StandIn) -> None:
    new = await elsewhere.people.join("bea@example.com")
    await elsewhere.people.enrol(new)
    elsewhere.people.postgres.run(
        "INSERT INTO auth.upstream_link (provider, subject, account_key) SELECT 'works', 'u-1', account_key"
        " FROM auth.account"
    )
    browser = elsewhere.browser()
    assert await elsewhere.come(browser) == 200
    assert browser.at == "/sign-in/second-factor"

    assert await told(elsewhere, standin.logout_token()) == 200

    assert elsewhere.rows("SELECT count(*) FROM auth.sign_in") == [(0,)]


async def test_an_application_that_was_let_in_there_ends_with_it(
    elsewhere: Elsewhere, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_keys, "SIGNING_KEY_BITS", 2048)
    provider = elsewhere.desk.provider
    await provider.keys.rotate()
    client = await relying_party(provider, elsewhere.people.database)
    browser = await came(elsewhere)
    tokens = await client.signed_in(browser, scope="openid offline_access")
    await browser.get("/sign-out")
    await browser.submit("/sign-out")
    await provider.families.keep_up()
    tokens = await client.refresh(tokens["refresh_token"])
    assert "refresh_token" in tokens

    assert await told(elsewhere, standin.logout_token()) == 200
    await provider.families.keep_up()

    assert (await client.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"


async def test_a_device_that_was_let_in_there_ends_with_it(
    elsewhere: Elsewhere, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_keys, "SIGNING_KEY_BITS", 2048)
    provider = elsewhere.desk.provider
    await provider.keys.rotate()
    client = await relying_party(provider, elsewhere.people.database)
    asked = await client.post("/oauth/device_authorization", {"scope": "openid"})
    browser = await came(elsewhere)
    await browser.get(f"/device?user_code={asked['user_code']}")
    await browser.submit("/device", user_code=asked["user_code"])
    await browser.submit("/device/decide", decision="allow")
    await client.token(grant_type=DEVICE, device_code=asked["device_code"])
    query = "SELECT kind FROM auth.session WHERE ended_at IS NULL AND upstream_id IS NOT NULL ORDER BY kind"
    assert elsewhere.rows(query) == [("application",), ("browser",)]

    assert await told(elsewhere, standin.logout_token()) == 200

    assert elsewhere.rows(query) == []


async def test_a_refresh_token_opens_under_the_next_data_key(elsewhere: Elsewhere, standin: StandIn) -> None:
    standin.given = {"refresh_token": "first"}
    browser = await came(elsewhere)
    postgres, database = elsewhere.people.postgres, elsewhere.people.database
    postgres.run("UPDATE auth.data_key SET created_at = now() - interval '400 days'")
    await reseal_everything(database, Keyring(masters("m1"), database, masters("p1")))
    postgres.run("DELETE FROM auth.data_key WHERE created_at < now() - interval '300 days'")
    due(elsewhere)

    await elsewhere.upstream.checks.keep_up()

    assert standin.asked.count("/token") == 2
    assert await is_in(browser)


async def test_what_nobody_lives_from_is_forgotten(elsewhere: Elsewhere, standin: StandIn) -> None:
    first, _ = await came(elsewhere), await came(elsewhere)
    await told(elsewhere, standin.logout_token(sid="none"))
    await first.get("/sign-out")
    await first.submit("/sign-out")
    elsewhere.people.postgres.run("UPDATE auth.upstream_session SET created_at = now() - interval '2 hours'")
    elsewhere.people.postgres.run("UPDATE auth.upstream_logout SET ends_at = now()")

    await elsewhere.upstream.checks.keep_up()

    assert elsewhere.rows("SELECT count(*) FROM auth.upstream_session") == [(1,)]
    assert elsewhere.rows("SELECT count(*) FROM auth.upstream_logout") == [(0,)]
