"""Signing out for a client's sake (RP-Initiated Logout 1.0)."""

import pytest

from tests.integration.auth.relying import (
    World,
    claims,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_client_signs_people_out_and_is_told_of_others(world: World) -> None:
    browser, client = await world.come(), await world.client()
    tokens = await client.signed_in(browser)
    hint = tokens["id_token"]

    await browser.ask("GET", "/oauth/end_session?post_logout_redirect_uri=https://app.example/bye")
    assert browser.header("location") == "/sign-out"
    await browser.ask("GET", f"/oauth/end_session?id_token_hint={hint}&post_logout_redirect_uri=https://evil.example/")
    assert browser.header("location") == "/sign-out"
    again = await client.signed_in(browser) if "__Host-ironflock_session" in browser.jar else None
    assert again is None, "the session was proved, and ended"
    assert await world.people.sessions.get(claims(hint)["sid"]) is None


async def test_after_signing_out_the_browser_goes_where_the_client_said(world: World) -> None:
    browser, client = await world.come(), await world.client()
    hint = (await client.signed_in(browser))["id_token"]
    link = f"/oauth/end_session?id_token_hint={hint}&post_logout_redirect_uri=https://app.example/bye&state=z"

    for malformed in ("/oauth/end_session?id_token_hint=x.y.z", "/oauth/end_session?id_token_hint=a&id_token_hint=b"):
        await browser.ask("GET", malformed)
        assert browser.reply.status == 422
    await browser.ask("GET", link)

    assert browser.header("location") == "https://app.example/bye?state=z"
    assert await world.people.sessions.get(claims(hint)["sid"]) is None
    await browser.ask("GET", link)
    assert browser.header("location") == "https://app.example/bye?state=z"
