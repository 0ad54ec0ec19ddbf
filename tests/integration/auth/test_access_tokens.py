"""Access tokens: what counts, and the many things that do not; what they open, and when they stop."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from services.auth.provider.facts import AccessToken
from services.auth.records.tickets import IssueAssertion, VerifiedTicket, VerifyTicket
from services.auth.signing import Signing
from shared.assertions import arguments_hash
from shared.errors import NotAuthorizedError
from shared.identities import ServiceIdentity
from tests.integration.auth.relying import RelyingParty, World, claims

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ROUTER, GATEWAY = ServiceIdentity("router", 1), ServiceIdentity("gateway", 1)
FOREIGN = RSAKey.generate_key(2048, private=True)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class Forger:
    """Makes tokens out of a good one."""

    def __init__(self, world: World, tokens: dict[str, Any], key: RSAKey) -> None:
        self.good: str = tokens["access_token"]
        self.identity: str = tokens["id_token"]
        self.refresh: str = tokens["refresh_token"]
        self.claims = claims(self.good)
        self.key = key
        self.header: dict[str, Any] = {"alg": "RS256", "typ": "at+jwt", "kid": key.kid}
        self.now = world.people.now

    def signed(self, key: Any = None, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """Another token, signed by the platform's own key unless said otherwise."""
        said = {name: value for name, value in {**self.claims, **changes}.items() if value is not None}
        head = {**self.header, **(header or {})}
        return jwt.encode(head, said, key or self.key, algorithms=[head["alg"]])

    def loose(self, header: dict[str, Any], signature: str) -> str:
        """Any header before the good claims, any signature behind."""
        return f"{part({**self.header, **header})}.{part(self.claims)}.{signature}"


FORGERIES: dict[str, Callable[[Forger], str]] = {
    "no algorithm": lambda f: f.loose({"alg": "none"}, ""),
    "another algorithm over our public key": lambda f: f.signed(
        OctKey.import_key(json.dumps(f.key.as_dict(private=False))), {"alg": "HS256"}
    ),
    "another key": lambda f: f.signed(FOREIGN),
    "another key that it brings itself": lambda f: f.signed(FOREIGN, {"jwk": FOREIGN.as_dict(private=False)}),
    "a key that nobody has": lambda f: f.signed(None, {"kid": "sign-0"}),
    "changed claims": lambda f: f"{f.good.split('.')[0]}.{part({**f.claims, 'sub': '1'})}.{f.good.split('.')[2]}",
    "no signature": lambda f: f.good.rpartition(".")[0] + ".",
    "half a token": lambda f: f.good[: len(f.good) // 2],
    "another issuer": lambda f: f.signed(iss="https://evil.example"),
    "another audience": lambda f: f.signed(aud="https://other.example"),
    "several audiences": lambda f: f.signed(aud=["https://api.test:8442", "https://other.example"]),
    "past its end": lambda f: f.signed(exp=int(f.now) - 1),
    "of the future": lambda f: f.signed(iat=int(f.now) + 3600, exp=int(f.now) + 7200),
    "without an end": lambda f: f.signed(exp=None),
    "an end that is no number": lambda f: f.signed(exp="never"),
    "of another type": lambda f: f.signed(None, {"typ": "JWT"}),
    "critical extensions": lambda f: f.loose({"crit": ["b64"], "b64": False}, f.good.split(".")[2]),
    "an ID token": lambda f: f.identity,
    "a refresh token": lambda f: f.refresh,
    "another person": lambda f: f.signed(sub="999999"),
    "another session": lambda f: f.signed(sid="ses_" + "0" * 32),
    "another family": lambda f: f.signed(family="fam_" + "0" * 32),
    "another client": lambda f: f.signed(client_id="nobody"),
    "deep nonsense": lambda _: f"{part({'alg': 'RS256'})}.{base64.urlsafe_b64encode(b'[' * 3000).decode()}.x",
    "too long": lambda f: f.good + "A" * 4096,
    "other octets": lambda _: "\u0000.\ud800.\xff",
    "nothing": lambda _: "..",
}


async def forger(world: World, client: RelyingParty) -> Forger:
    tokens = await client.signed_in(world.browser, scope="openid all")
    signer = await world.provider.keys.signer()
    return Forger(world, tokens, signer.key)


async def test_a_forged_token_opens_nothing_anywhere(world: World, signing: Signing) -> None:
    await world.come()
    made = await forger(world, await world.client())
    tickets = world.tickets(signing)
    assert await world.provider.access_tokens.verify(made.signed()) is not None, "the forger works"

    for what, forge in FORGERIES.items():
        token = forge(made)
        assert await world.provider.access_tokens.verify(token) is None, what
        assert await tickets.ticket_verify(ROUTER, VerifyTicket(token)) is None, what
        with pytest.raises(NotAuthorizedError):
            await tickets.assertion_issue(
                GATEWAY, IssueAssertion(token, "realms", "ironflock.realms.project.list", arguments_hash({}))
            )


async def test_user_info_is_for_tokens_that_count(world: World) -> None:
    await world.come()
    client = await world.client()
    made = await forger(world, client)

    for what, forge in FORGERIES.items():
        await client.get("/oauth/userinfo", f"Bearer {forge(made)}")

        assert client.answer.status == 401, what
        assert client.header("www-authenticate") == 'Bearer error="invalid_token"', what


async def test_a_token_that_counts_is_a_ticket_as_far_as_its_scopes_reach(world: World, signing: Signing) -> None:
    browser, client = await world.come(), await world.client()
    tickets = world.tickets(signing)

    for scope, reach in (("openid all", ["all"]), ("openid read", ["read"]), ("openid email", None)):
        tokens = await client.signed_in(browser, scope=scope)
        said = claims(tokens["access_token"])
        opened = await tickets.ticket_verify(ROUTER, VerifyTicket(f" {tokens['access_token']}\n"))
        if reach is None:
            assert opened is None
        else:
            assert opened == VerifiedTicket(int(said["sub"]), said["sid"], reach, said["exp"])


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE auth.session SET ended_at = now()",
        "UPDATE auth.session SET ends_at = now()",
        "UPDATE auth.session SET last_seen_at = now() - interval '13 hours'",
        "UPDATE auth.account SET state = 'disabled'",
        "UPDATE auth.token_family SET ended_at = now()",
        "UPDATE auth.client SET ended_at = now()",
        "DELETE FROM auth.session",
    ],
)
async def test_a_token_counts_no_longer_than_what_it_lives_from(world: World, harm: str) -> None:
    browser, client = await world.come(), await world.client()
    tokens = await client.signed_in(browser, scope="openid all")
    assert isinstance(await world.provider.access_tokens.verify(tokens["access_token"]), AccessToken)

    world.people.postgres.run(harm)

    assert await world.provider.access_tokens.verify(tokens["access_token"]) is None
    assert "error" in await client.refresh(tokens["refresh_token"])


async def test_user_info_asks_for_openid_and_for_a_bearer(world: World) -> None:
    browser, client = await world.come(), await world.client()
    tokens = await client.signed_in(browser, scope="all")
    assert "id_token" not in tokens

    await client.get("/oauth/userinfo", f"Bearer {tokens['access_token']}")
    assert client.answer.status == 403
    for authorization in ("", "Basic x", "Bearer", f"Token {tokens['access_token']}"):
        await client.get("/oauth/userinfo", authorization)
        assert client.answer.status == 401
