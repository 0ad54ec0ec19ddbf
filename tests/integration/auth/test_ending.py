"""Clients are told that a session has ended (Back-Channel Logout 1.0), again if they were away."""

from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from services.auth.provider.ending import MAX_ATTEMPTS
from services.auth.provider.tokens import LOGOUT, LOGOUT_EVENT, read
from services.auth.provider.whole import Provider, provider_of
from tests.integration.auth.browsers import AUDIENCE
from tests.integration.auth.people import ORIGIN
from tests.integration.auth.relying import World, claims
from tests.integration.auth.told import Told
from tests.integration.flockctl.certificates import make_certificates

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with Told(make_certificates(tmp_path_factory.mktemp("told"))) as told:
        yield told


def provider_that_trusts(world: World, told: Told) -> Provider:
    return provider_of(
        world.database, world.people.parts.keyring, world.people.throttle, world.people.rights, issuer=ORIGIN,
        audience=AUDIENCE,
        now=lambda: world.people.now, chance=lambda: 0.0, clients_ca=str(told.certificates.ca),
    )  # fmt: skip


def waiting(world: World) -> list[tuple[object, ...]]:
    return world.people.postgres.rows("SELECT client_id, attempts FROM auth.logout_notice ORDER BY client_id")


async def test_each_client_that_has_tokens_of_a_session_is_told_of_its_end_once(world: World, told: Told) -> None:
    provider = provider_that_trusts(world, told)
    browser = await world.come()
    client = await world.client("told", backchannel_logout_uri=f"{told.url}/logout")
    silent = await world.client("silent")
    tokens = await client.signed_in(browser)
    await client.signed_in(browser)
    await silent.signed_in(browser)

    await browser.get("/sign-out")
    await browser.submit("/sign-out")
    await provider.families.keep_up()
    assert await provider.endings.tell_due() == 1
    assert await provider.endings.tell_due() == 0

    (body,) = told.take()
    said = read(await provider.keys.signer(), parse_qs(body)["logout_token"][0], LOGOUT) or {}
    identity = claims(tokens["id_token"])
    assert (said["aud"], said["sid"], said["sub"]) == ("told", identity["sid"], identity["sub"])
    assert said["events"] == {LOGOUT_EVENT: {}}
    assert "nonce" not in said
    assert waiting(world) == []


async def test_a_client_that_refuses_is_told_again_and_given_up_in_the_end(world: World, told: Told) -> None:
    provider = provider_that_trusts(world, told)
    browser, client = await world.come(), await world.client(backchannel_logout_uri=f"{told.url}/logout")
    await client.signed_in(browser)
    world.people.postgres.run("UPDATE auth.session SET ended_at = now()")
    await provider.families.keep_up()
    told.status = 503

    for attempt in range(1, MAX_ATTEMPTS):
        assert await provider.endings.tell_due() == 1
        assert waiting(world) == [("app", attempt)]
        assert await provider.endings.tell_due() == 0
        world.people.postgres.run("UPDATE auth.logout_notice SET next_attempt_at = now()")
    assert await provider.endings.tell_due() == 1

    assert waiting(world) == []
    told.status = 200


async def test_a_client_that_nobody_vouches_for_hears_nothing(world: World, told: Told) -> None:
    browser, client = await world.come(), await world.client(backchannel_logout_uri=f"{told.url}/logout")
    await client.signed_in(browser)
    world.people.postgres.run("UPDATE auth.session SET ended_at = now()")
    await world.provider.families.keep_up()
    told.take()

    assert await world.provider.endings.tell_due() == 1

    assert told.take() == []
    assert waiting(world) == [("app", 1)]
