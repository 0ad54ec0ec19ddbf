"""Coming: a link shows a form, and the form spends it."""

import pytest

from tests.integration.auth.browsers import SESSION, Browser
from tests.integration.auth.people import HOME, NAME, PASSWORD, People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_signing_up_looks_the_same_whoever_is_here(people: People, browser: Browser) -> None:
    await people.join()
    said = []
    for address in (NAME, "bert@example.com"):
        await browser.get("/sign-up")
        assert await browser.submit("/sign-up", address=address) == 200
        said.append(browser.text.replace(address, "-"))

    assert said[0] == said[1]


async def test_whoever_signs_up_is_in_by_the_link_of_the_message(people: People, browser: Browser) -> None:
    await browser.get("/sign-up")
    await browser.submit("/sign-up", address="bert@example.com")
    page, code = await people.link()
    await browser.get(f"/{page}?code={code}")
    assert browser.page.forms["/verification"]["display_name"] == ""

    assert await browser.submit("/verification", display_name="Bert", password="bert@example.com1") == 422
    assert "first that are guessed" in (browser.alert or "")
    assert browser.page.forms["/verification"]["display_name"] == "Bert"
    await browser.submit("/verification", display_name="Bert", password=PASSWORD)

    assert browser.at == "/account/sign-in"
    assert browser.page.roles["status"].startswith("Welcome")
    assert SESSION in browser.jar
    assert await browser.get(f"/{page}?code={code}") == 410


async def test_the_first_owner_comes_by_the_set_up_link(people: People, browser: Browser) -> None:
    joined = await people.join()
    people.set_first_owner(joined)
    people.postgres.run("UPDATE auth.account SET password_hash = NULL")
    link = await people.registration.setup_link(people.person(joined))
    await browser.get(link.url.partition("8441")[2])
    assert browser.page.ids["h1"] == "Set up the first account"

    await browser.submit("/setup", password=PASSWORD)

    assert browser.at == "/account/sign-in"


@pytest.mark.parametrize("page", ["invitation", "verification", "setup"])
@pytest.mark.parametrize("code", ["", "made-up", "x" * 20_000, "%C3%BC"])
async def test_a_link_that_opens_nothing_says_so(browser: Browser, page: str, code: str) -> None:
    assert await browser.get(f"/{page}?code={code}") == 410


async def test_a_link_opens_its_own_page_alone(people: People, browser: Browser) -> None:
    await people.registration.sign_up("bert@example.com", "en", HOME)
    _, code = await people.link()
    for page in ("invitation", "setup", "reset", "old-address", "new-address"):
        assert await browser.get(f"/{page}?code={code}") == 410

    assert await browser.get(f"/verification?code={code}") == 200


async def test_by_invitation_there_is_no_sign_up(people: People, browser: Browser) -> None:
    object.__setattr__(people.parts, "is_open", False)

    assert await browser.get("/sign-up") == 403


@pytest.mark.parametrize(
    "address", ["", "x", "a@b@c", "a b@example.com", "x" * 300 + "@example.com", "a\u202e@example.com"]
)
async def test_what_is_no_address_is_said(browser: Browser, address: str) -> None:
    await browser.get("/sign-up")

    assert await browser.submit("/sign-up", address=address) == 422
    assert browser.alert == "This is not an e-mail address."
