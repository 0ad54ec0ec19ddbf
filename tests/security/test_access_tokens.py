"""Access tokens on the running platform: they open the bus as far as their scopes, until what they live from ends."""

import asyncio
import base64
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from deploy.flockctl.provider import Provider, Tokens
from tests.harness.clients import Account, join_person
from tests.harness.running import RunningPlatform
from tests.harness.site import new_person
from tests.integration.auth.browsers import Browser
from tests.integration.auth.relying import claims
from tests.integration.router_node.node import new_address
from tests.integration.router_node.wire import AbortedError, Peer, WampError

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
CUT_S = 1.5  # a second, and what a busy machine adds


def provider_of(platform: RunningPlatform) -> Provider:
    return Provider(f"https://localhost:{platform.ports.accounts}", platform.state.ca_certificate)


async def signed_in(platform: RunningPlatform, browser: Browser, access: str = "all") -> Tokens:
    """The tokens of a program that the browser's person has let in."""
    provider = provider_of(platform)
    waiting = await asyncio.to_thread(provider.begin, access)
    await browser.get("/device")
    await browser.submit("/device", user_code=waiting.user_code)
    await browser.submit("/device/decide", decision="allow")
    return await asyncio.to_thread(provider.tokens, waiting)


async def opens(platform: RunningPlatform, token: str) -> bool:
    try:
        await (await join_person(platform, token, source=new_address())).drop()
    except AbortedError as refused:
        return refused.reason != "wamp.error.authentication_failed"
    return True


async def is_cut(peer: Peer) -> bool:
    await asyncio.wait_for(peer.closed.wait(), CUT_S)
    return peer.goodbye is not None


async def test_a_token_opens_the_bus_as_far_as_its_scopes(ironflock: RunningPlatform, owner: Account) -> None:
    address, browser = await new_person(ironflock, owner)
    tokens = await signed_in(ironflock, browser, "read")

    async with await join_person(ironflock, tokens.access_token) as person:
        assert (await person.call("ironflock.auth.account.me"))["login_name"] == address
        with pytest.raises(WampError, match="not_authorized"):
            await person.call("ironflock.realms.project.create", name="x")


async def test_when_its_session_ends_a_token_opens_nothing_and_what_it_opened_is_cut(
    ironflock: RunningPlatform, owner: Account
) -> None:
    _, browser = await new_person(ironflock, owner)
    tokens, other = await signed_in(ironflock, browser), await signed_in(ironflock, browser)
    async with (
        await join_person(ironflock, tokens.access_token) as person,
        await join_person(ironflock, other.access_token) as neighbour,
    ):
        session = claims(tokens.access_token)["sid"]
        await neighbour.call("ironflock.auth.session.end", session=session)

        assert await is_cut(person)
        assert not await opens(ironflock, tokens.access_token)
        await neighbour.call("ironflock.auth.account.me")


async def test_a_revoked_family_takes_its_access_token_along(ironflock: RunningPlatform, owner: Account) -> None:
    _, browser = await new_person(ironflock, owner)
    tokens = await signed_in(ironflock, browser)
    assert await opens(ironflock, tokens.access_token)
    async with await join_person(ironflock, tokens.access_token) as person:
        await asyncio.to_thread(provider_of(ironflock).revoke, tokens.refresh_token)

        assert await is_cut(person)
    assert not await opens(ironflock, tokens.access_token)


async def test_an_erased_person_s_token_opens_nothing_any_more(ironflock: RunningPlatform, owner: Account) -> None:
    address, browser = await new_person(ironflock, owner)
    tokens = await signed_in(ironflock, browser)
    async with await join_person(ironflock, tokens.access_token) as person:
        await person.call("ironflock.auth.account.erase", confirm=address)

        assert await is_cut(person)
    assert not await opens(ironflock, tokens.access_token)


async def test_a_disabled_person_s_token_opens_nothing_any_more(ironflock: RunningPlatform, owner: Account) -> None:
    _, browser = await new_person(ironflock, owner)
    tokens = await signed_in(ironflock, browser)
    async with await join_person(ironflock, tokens.access_token) as person:
        account = int(claims(tokens.access_token)["sub"])
        owner.call("ironflock.auth.account.disable", account_key=account, reason="a test")

        assert await is_cut(person)
    assert not await opens(ironflock, tokens.access_token)


async def test_a_forged_token_does_not_open_the_bus(ironflock: RunningPlatform, owner: Account) -> None:
    _, browser = await new_person(ironflock, owner)
    tokens = await signed_in(ironflock, browser)
    header, body, signature = tokens.access_token.split(".")
    said, foreign = claims(tokens.access_token), RSAKey.generate_key(2048, private=True)

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    forged = [
        f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{body}.",
        f"{part({'alg': 'HS256', 'typ': 'at+jwt'})}.{body}.{signature}",
        jwt.encode({"alg": "RS256", "typ": "at+jwt"}, said, foreign, algorithms=["RS256"]),
        jwt.encode(
            {"alg": "RS256", "typ": "at+jwt", "jwk": foreign.as_dict(private=False)},
            said,
            foreign,
            algorithms=["RS256"],
        ),
        f"{header}.{part({**said, 'sub': '1'})}.{signature}",
        f"{header}.{body}.{signature[:-4]}AAAA",
        f"{header}.{body}.",
        f"{header}.{body}",
        tokens.refresh_token,
    ]

    assert [token for token in forged if await opens(ironflock, token)] == []
    assert await opens(ironflock, tokens.access_token)
