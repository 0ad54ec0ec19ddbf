"""API keys on the pages: made and shown once, rotated, revoked; bad forms are said on the form."""

import re

import pytest

from services.auth.procedures.tickets import TicketProcedures
from services.auth.records.tickets import VerifiedTicket, VerifyTicket
from services.auth.signing import Signing
from shared.identities import ServiceIdentity
from tests.integration.auth.browsers import Browser
from tests.integration.auth.relying import World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
KEY = re.compile(r"ifk_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")


async def opened(world: World, signing: Signing, key: str) -> VerifiedTicket | None:
    tickets = TicketProcedures(world.database, signing, world.provider.access_tokens, world.people.database_now)
    found: VerifiedTicket | None = await tickets.ticket_verify(ServiceIdentity("router", 1), VerifyTicket(key))
    return found


async def create(browser: Browser, **fields: str) -> str:
    await browser.get("/account/api-keys/create")
    filled = {"name": "line 4", "access": "read", "days": "30", **fields}
    assert await browser.submit("/account/api-keys/create", **filled) == 200, browser.alert
    found: list[str] = KEY.findall(browser.text)
    return found[0]


async def test_a_key_is_made_shown_once_rotated_and_revoked(world: World, signing: Signing) -> None:
    browser = await world.come()
    key = await create(browser, projects="3, 5")
    found = await opened(world, signing, key)
    assert found is not None
    assert found.scopes == ["read@project/3", "read@project/5"]
    await browser.get("/account/api-keys")
    assert key not in browser.text
    assert key[:16] in browser.text

    await browser.get(f"/account/api-keys/rotate?key_id={key[4:16]}")
    assert "line 4" in browser.page.ids["h1"]
    await browser.submit("/account/api-keys/rotate")
    second = KEY.findall(browser.text)[0]
    assert (await opened(world, signing, second)) is not None
    await browser.get(f"/account/api-keys/revoke?key_id={second[4:16]}")
    await browser.submit("/account/api-keys/revoke")

    assert browser.at == "/account/api-keys"
    assert (await opened(world, signing, second)) is None
    assert (await opened(world, signing, key)) is not None
    await browser.get(f"/account/api-keys/revoke?key_id={second[4:16]}")
    assert browser.reply.status == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "a" * 101},
        {"access": "admin"},
        {"access": ""},
        {"projects": "three"},
        {"projects": "3;4"},
        {"days": "9999"},
        {"days": ""},
    ],
)
async def test_a_form_that_is_not_right_says_so_and_makes_nothing(world: World, fields: dict[str, str]) -> None:
    browser = await world.come()
    await browser.get("/account/api-keys/create")

    status = await browser.submit(
        "/account/api-keys/create", **{"name": "x", "access": "all", "days": "30", "projects": "", **fields}
    )

    assert status == 422
    assert browser.alert
    assert world.people.postgres.rows("SELECT count(*) FROM auth.api_key") == [(0,)]


async def test_making_and_rotating_asks_to_show_again_who_one_is(world: World) -> None:
    browser = await world.come()
    key = await create(browser)
    world.people.postgres.run("UPDATE auth.session SET authenticated_at = now() - interval '6 minutes'")

    for page in ("/account/api-keys/create", f"/account/api-keys/rotate?key_id={key[4:16]}"):
        await browser.get(page)
        assert browser.at == "/step-up"


async def test_nobody_revokes_the_key_of_another(world: World) -> None:
    browser = await world.come()
    key = await create(browser)
    await world.people.post()
    await world.people.join("bert@example.com")
    other = Browser(world.front)
    await other.sign_in("bert@example.com")

    for page in ("rotate", "revoke"):
        assert await other.get(f"/account/api-keys/{page}?key_id={key[4:16]}") == 404
