"""A forgotten password."""

import pytest

from services.auth.pages.front import Front
from tests.integration.auth.browsers import SESSION, Browser
from tests.integration.auth.people import NAME, PASSWORD, People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
OTHER = "softly eight clocks sing"


async def test_a_reset_ends_every_session_and_asks_for_the_new_password(
    people: People, browser: Browser, front: Front
) -> None:
    await people.join()
    thief = Browser(front)
    await thief.sign_in()
    await browser.get("/recovery")
    assert await browser.submit("/recovery", address=f" {NAME} ") == 200
    page, code = await people.link()
    await browser.get(f"/{page}?code={code}")
    assert await browser.submit("/reset", password="short") == 422

    await browser.submit("/reset", password=OTHER)

    assert browser.at == "/sign-in"
    assert browser.page.roles["status"].startswith("Your password has changed")
    assert SESSION not in browser.jar
    await thief.get("/account")
    assert thief.at == "/sign-in"
    await browser.sign_in(password=PASSWORD)
    assert browser.reply.status == 403
    await browser.sign_in(password=OTHER)
    assert browser.at == "/account"


async def test_it_looks_the_same_for_whom_there_is_no_account(people: People, browser: Browser) -> None:
    await people.join()
    said = []
    for address in (NAME, "nobody@example.com", "\U0001f600", "x" * 9_000):
        await browser.get("/recovery")
        assert await browser.submit("/recovery", address=address) == 200
        said.append(browser.text.replace(address, "-"))

    assert len(set(said)) == 1


async def test_asking_again_and_again_is_slowed_down(people: People, browser: Browser) -> None:
    await people.join()
    for _ in range(6):
        await browser.get("/recovery")
        await browser.submit("/recovery", address=NAME)

    assert browser.reply.status == 429
    assert browser.page.forms["/recovery"]["address"] == NAME


async def test_a_link_that_opens_nothing_says_so(browser: Browser) -> None:
    assert await browser.get("/reset?code=x") == 410
    token = (await form_token(browser))["form_token"]
    assert (await browser.post("/reset", {"form_token": token, "code": "x", "password": OTHER})).status == 410


async def form_token(browser: Browser) -> dict[str, str]:
    await browser.get("/recovery")
    return browser.page.forms["/recovery"]
