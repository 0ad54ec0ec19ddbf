"""The token endpoint and those beside it: codes, refresh tokens, theft, revocation; errors by the book."""

import asyncio
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from services.auth.records.sessions import Source
from tests.integration.auth.browsers import AUDIENCE
from tests.integration.auth.people import NAME, ORIGIN
from tests.integration.auth.relying import (
    VERIFIER,
    RelyingParty,
    World,
    basic,
    claims,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_client_learns_who_signed_in(world: World) -> None:
    browser, client = await world.come(), await world.client()

    back = await client.authorized(browser, scope="openid profile email")
    assert (back["state"], back["iss"]) == ("s", ORIGIN)
    tokens = await client.exchange(back["code"])

    assert client.answer.status == 200
    assert client.header("cache-control") == "no-store"
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 600, "openid profile email")
    shown: Any = await client.get("/oauth/jwks")
    verified = jwt.decode(tokens["id_token"], KeySet.import_key_set(shown), algorithms=["RS256"])
    said = verified.claims
    account = int(said["sub"])
    assert (said["iss"], said["aud"], said["nonce"], said["email"], said["name"]) == (ORIGIN, "app", "n", NAME, "Anna")
    assert (said["amr"], said["acr"], said["email_verified"]) == (["pwd"], "urn:ironflock:acr:one-factor", True)
    access = jwt.decode(tokens["access_token"], KeySet.import_key_set(shown), algorithms=["RS256"])
    assert access.header["typ"] == "at+jwt"
    assert (access.claims["aud"], access.claims["client_id"], access.claims["sub"]) == (AUDIENCE, "app", str(account))
    assert await client.get("/oauth/userinfo", f"Bearer {tokens['access_token']}") == {
        "sub": str(account), "name": "Anna", "preferred_username": NAME, "locale": "en", "email": NAME,
        "email_verified": True,
    }  # fmt: skip


async def test_a_code_opens_once_and_a_second_use_ends_what_it_opened(world: World) -> None:
    browser, client = await world.come(), await world.client()
    back = await client.authorized(browser)
    tokens = await client.exchange(back["code"])

    assert (await client.exchange(back["code"]))["error"] == "invalid_grant"

    assert (await client.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    assert await world.provider.access_tokens.verify(tokens["access_token"]) is None
    assert "token_family.ended" in world.people.actions()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"redirect_uri": "https://app.example/callback/"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_grant"),
        ({"code": "nonsense"}, "invalid_grant"),
        ({"code": "\0"}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
    ],
)
async def test_a_code_opens_for_nothing_but_what_it_was_given_for(
    world: World, changes: dict[str, str], error: str
) -> None:
    browser, client = await world.come(), await world.client()
    back = await client.authorized(browser)

    assert (await client.exchange(back["code"], **changes))["error"] == error
    assert client.answer.status == 400


async def test_a_code_of_one_client_opens_nothing_for_another(world: World) -> None:
    browser, client, other = await world.come(), await world.client(), await world.client("other")
    back = await client.authorized(browser)

    assert (await other.exchange(back["code"]))["error"] == "invalid_grant"
    assert "access_token" in await client.exchange(back["code"])


async def test_a_code_that_is_a_minute_old_opens_nothing(world: World) -> None:
    browser, client = await world.come(), await world.client()
    back = await client.authorized(browser)
    world.people.postgres.run("UPDATE auth.authorization_code SET ends_at = now()")

    assert (await client.exchange(back["code"]))["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic", "Basic !", "Basic YXBw", basic("app", "wrong"), basic("nobody", "secret-of-app"), basic("app", ""),
        "Bearer x", "Basic //79", basic("a\0pp", "x"), basic("app", "secret-of-app") + "x",
    ],
)  # fmt: skip
async def test_a_client_that_proves_nothing_gets_nothing(world: World, authorization: str) -> None:
    client = await world.client()
    fields = {"grant_type": "refresh_token", "refresh_token": "x"}

    answer = await client.post("/oauth/token", fields, authorization=authorization)

    assert (client.answer.status, answer["error"]) == (401, "invalid_client")
    assert (client.header("www-authenticate") or "").startswith("Basic")


async def test_whoever_is_no_client_reads_one_answer_whatever_was_wrong(world: World) -> None:
    client = await world.client()
    fields = {"grant_type": "refresh_token", "refresh_token": "x"}
    unknown = await client.post("/oauth/token", fields, authorization=basic("nobody", "secret-of-app"))
    wrong = await client.post("/oauth/token", fields, authorization=basic("app", "another"))
    by_body = {**fields, "client_id": "app", "client_secret": "secret-of-app"}
    another_way = await client.post("/oauth/token", by_body, authorization="")

    assert unknown == wrong == another_way
    assert another_way["error"] == "invalid_client"
    assert "in another way than it was registered for" in another_way["error_description"]


async def test_a_confidential_client_does_not_come_without_its_secret(world: World) -> None:
    client = await world.client()
    client.secret = None

    answer = await client.token(grant_type="refresh_token", refresh_token="x")

    assert answer["error"] == "invalid_client"


async def test_each_refresh_token_is_followed_by_another(world: World) -> None:
    browser, client = await world.come(), await world.client()
    first = await client.signed_in(browser, scope="openid all")

    second = await client.refresh(first["refresh_token"])
    third = await client.refresh(second["refresh_token"], scope="openid")

    assert len({each["refresh_token"] for each in (first, second, third)}) == 3
    assert (second["scope"], third["scope"]) == ("openid all", "openid")
    assert claims(second["id_token"])["sub"] == claims(first["id_token"])["sub"]
    assert (await client.refresh(third["refresh_token"], scope="openid email"))["error"] == "invalid_scope"
    fourth = await client.refresh(third["refresh_token"])
    assert fourth["scope"] == "openid all"


async def test_a_refresh_token_that_comes_again_ends_its_family(world: World) -> None:
    browser, client = await world.come(), await world.client()
    first = await client.signed_in(browser, scope="openid offline_access all")
    second = await client.refresh(first["refresh_token"])

    assert (await client.refresh(first["refresh_token"]))["error"] == "invalid_grant"

    assert (await client.refresh(second["refresh_token"]))["error"] == "invalid_grant"
    assert await world.provider.access_tokens.verify(second["access_token"]) is None
    assert world.people.actions()[-2:] == ["refresh_token.replayed", "token_family.ended"]


async def test_of_fifty_that_bring_one_refresh_token_one_succeeds_and_the_family_is_dealt_with(world: World) -> None:
    browser, client = await world.come(), await world.client()
    first = await client.signed_in(browser)
    others = [RelyingParty(world.provider, client.client_id, client.secret) for _ in range(50)]

    answers = await asyncio.gather(*(each.refresh(first["refresh_token"]) for each in others))

    given = [answer for answer in answers if "access_token" in answer]
    assert len(given) == 1
    assert {answer["error"] for answer in answers if "error" in answer} == {"invalid_grant"}
    assert [row[0] for row in world.families()] == ["a code or refresh token of it was used twice"]
    assert (await client.refresh(given[0]["refresh_token"]))["error"] == "invalid_grant"


async def test_another_client_s_refresh_token_neither_opens_nor_harms(world: World) -> None:
    browser, client, other = await world.come(), await world.client(), await world.client("other")
    first = await client.signed_in(browser)

    assert (await other.refresh(first["refresh_token"]))["error"] == "invalid_grant"
    assert "access_token" in await client.refresh(first["refresh_token"])


async def test_tokens_end_with_the_session_unless_they_may_stay(world: World) -> None:
    browser, client = await world.come(), await world.client()
    here = await client.signed_in(browser, scope="openid all")
    away = await client.signed_in(browser, scope="openid offline_access all")
    session_id = claims(here["id_token"])["sid"]
    assert session_id != claims(away["id_token"])["sid"]

    await browser.get("/sign-out")
    await browser.submit("/sign-out")
    await world.provider.families.keep_up()

    assert (await client.refresh(here["refresh_token"]))["error"] == "invalid_grant"
    assert await world.provider.access_tokens.verify(here["access_token"]) is None
    assert "access_token" in await client.refresh(away["refresh_token"])
    assert await world.provider.access_tokens.verify(away["access_token"]) is not None


async def test_revoking_either_token_ends_the_family(world: World) -> None:
    browser, client, other = await world.come(), await world.client(), await world.client("other")
    for kind in ("refresh_token", "access_token"):
        tokens = await client.signed_in(browser, scope="openid all")
        await other.post("/oauth/revoke", {"token": tokens[kind]})
        assert other.answer.status == 400
        assert await world.provider.access_tokens.verify(tokens["access_token"]) is not None

        assert await client.post("/oauth/revoke", {"token": tokens[kind]}) == {}

        assert await world.provider.access_tokens.verify(tokens["access_token"]) is None
        assert (await client.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    assert await client.post("/oauth/revoke", {"token": "nonsense"}) == {}
    assert client.answer.status == 200


async def test_a_client_learns_of_its_own_tokens_alone(world: World) -> None:
    browser, client, other = await world.come(), await world.client(), await world.client("other")
    tokens = await client.signed_in(browser, scope="openid all")

    for kind in ("refresh_token", "access_token"):
        told = await client.post("/oauth/introspect", {"token": tokens[kind]})
        assert (told["active"], told["client_id"], told["scope"]) == (True, "app", "openid all")
        assert await other.post("/oauth/introspect", {"token": tokens[kind]}) == {"active": False}
    assert await client.post("/oauth/introspect", {"token": "x"}) == {"active": False}
    assert await client.post("/oauth/introspect", {"token": tokens["id_token"]}) == {"active": False}


async def test_a_client_acts_for_itself_as_its_service_account(world: World) -> None:
    await world.come()
    (owner,) = world.people.postgres.rows("SELECT account_key FROM auth.account")
    world.people.postgres.run(
        "INSERT INTO auth.account (login_name, login_canonical, state, kind, owner_key)"  # noqa: S608
        f" VALUES ('line', 'line', 'active', 'service', {owner[0]})"
    )
    (account,) = world.people.postgres.rows("SELECT account_key FROM auth.account WHERE kind = 'service'")
    client = await world.client(
        "robot", redirect_uris=[], grant_types=["client_credentials"], account_key=account[0], scopes=["read"]
    )

    tokens = await client.token(grant_type="client_credentials")

    assert "refresh_token" not in tokens
    assert "id_token" not in tokens
    found = await world.provider.access_tokens.verify(tokens["access_token"])
    assert found is not None
    assert (found.account_key, found.credential, found.reach.texts) == (account[0], "robot", ["read"])
    assert (await client.token(grant_type="client_credentials", scope="all"))["error"] == "invalid_scope"
    world.people.postgres.run("UPDATE auth.account SET state = 'disabled' WHERE kind = 'person'")
    assert await world.provider.access_tokens.verify(tokens["access_token"]) is None
    assert "error" in await client.token(grant_type="client_credentials")


async def test_no_token_and_no_code_lies_in_clear(world: World) -> None:
    browser, client = await world.come(), await world.client()
    back = await client.authorized(browser, scope="openid offline_access")
    tokens = await client.exchange(back["code"])

    for table in ("authorization_code", "refresh_token", "token_family", "session", "client"):
        text = str(world.people.postgres.rows(f"SELECT t::text FROM auth.{table} t"))  # noqa: S608
        for secret in (back["code"], tokens["refresh_token"], tokens["access_token"], client.secret, VERIFIER):
            assert str(secret) not in text


async def test_an_application_s_session_remembers_how_its_person_signed_in(world: World) -> None:
    browser, client = await world.come(), await world.client()
    tokens = await client.signed_in(browser, scope="openid offline_access")

    session = await world.people.sessions.get(claims(tokens["id_token"])["sid"])

    assert session is not None
    assert (session.kind, session.client_id, session.amr) == ("application", "app", ["pwd"])
    assert Source(session.address, "").address == "192.0.2.1"
