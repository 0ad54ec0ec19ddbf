"""Devices that wait for their person (RFC 8628)."""

import pytest

from tests.integration.auth.people import ORIGIN, PASSWORD
from tests.integration.auth.relying import (
    DEVICE,
    World,
    claims,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_device_waits_until_its_person_has_decided(world: World) -> None:
    browser, device = await world.come(), await world.client(token_endpoint_auth_method="none")
    waiting = await device.post("/oauth/device_authorization", {"scope": "openid offline_access all"})
    assert waiting["verification_uri"] == f"{ORIGIN}/device"
    poll = {"grant_type": DEVICE, "device_code": waiting["device_code"]}
    assert (await device.token(**poll))["error"] == "authorization_pending"
    assert (await device.token(**poll))["error"] == "slow_down"

    await browser.get(f"/device?user_code={waiting['user_code']}")
    await browser.submit("/device")
    assert "192.0.2.44" in browser.text
    await browser.submit("/device/decide", decision="allow")
    tokens = await device.token(**poll)

    found = await world.provider.access_tokens.verify(tokens["access_token"])
    assert found is not None
    assert found.credential == claims(tokens["id_token"])["sid"]
    assert "access_token" in await device.refresh(tokens["refresh_token"])
    assert (await device.token(**poll))["error"] == "invalid_request"
    assert "device_code.approved" in world.people.actions()
    assert [each.client_id for each in await world.people.sessions.of(found.account_key) if each.client_id] == ["app"]


async def test_whoever_lets_in_a_program_of_the_installation_shows_again_who_they_are(world: World) -> None:
    browser, device = await world.come(), await world.client(token_endpoint_auth_method="none")
    world.people.postgres.run("UPDATE auth.session SET authenticated_at = now() - interval '10 minutes'")
    waiting = await device.post("/oauth/device_authorization", {"scope": "openid offline_access all"})
    poll = {"grant_type": DEVICE, "device_code": waiting["device_code"]}

    await browser.get(f"/device?user_code={waiting['user_code']}")
    await browser.submit("/device")
    await browser.submit("/device/decide", decision="allow")
    assert browser.at == "/step-up"
    assert (await device.token(**poll))["error"] == "authorization_pending"

    await browser.submit("/step-up", password=PASSWORD)
    assert browser.at == "/device"
    await browser.submit("/device")
    await browser.submit("/device/decide", decision="allow")
    world.people.postgres.run("UPDATE auth.device_code SET last_polled_at = NULL")
    assert "access_token" in await device.token(**poll)


async def test_a_device_that_is_refused_gets_nothing(world: World) -> None:
    browser, device = await world.come(), await world.client(token_endpoint_auth_method="none")
    waiting = await device.post("/oauth/device_authorization", {"scope": "openid"})
    await browser.get("/device")
    await browser.submit("/device", user_code=waiting["user_code"].lower().replace("-", " "))
    await browser.submit("/device/decide", decision="refuse")

    poll = {"grant_type": DEVICE, "device_code": waiting["device_code"]}
    assert (await device.token(**poll))["error"] == "access_denied"
    await browser.get("/device")
    assert await browser.submit("/device", user_code=waiting["user_code"]) == 404


@pytest.mark.parametrize("scope", ["", "nonsense", "openid admin"])
async def test_a_device_asks_for_scopes_that_there_are(world: World, scope: str) -> None:
    device = await world.client(token_endpoint_auth_method="none")

    assert (await device.post("/oauth/device_authorization", {"scope": scope}))["error"] == "invalid_scope"


async def test_guessing_codes_of_devices_is_slowed_down(world: World) -> None:
    browser = await world.come()
    statuses = []
    for _ in range(8):
        await browser.get("/device")
        statuses.append(await browser.submit("/device", user_code="BBBB-BBBB"))

    assert statuses[:5] == [404] * 5
    assert statuses[-1] == 429
