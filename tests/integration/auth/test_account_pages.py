"""The account: how its person is called, reached, and by which password they come."""

import pytest

from services.auth.pages.front import Front
from tests.integration.auth.browsers import Browser
from tests.integration.auth.people import NAME, ORIGIN, PASSWORD, People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
OTHER = "softly eight clocks sing"


async def test_name_and_language_are_kept_and_spoken(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()

    await browser.submit("/account", display_name=" Änna ", locale="de")

    assert browser.at == "/account"
    assert browser.page.forms["/account"]["display_name"] == "Änna"
    assert browser.header("content-language") == "de"
    assert browser.page.roles["status"] == "Gespeichert."
    await browser.get("/account")
    assert "status" not in browser.page.roles


@pytest.mark.parametrize("name", ["", "   ", "12345", "x" * 101, "a\u202eb", "a\nb"])
async def test_what_is_no_name_is_said_and_kept_in_the_form(people: People, browser: Browser, name: str) -> None:
    await people.join()
    await browser.sign_in()

    assert await browser.submit("/account", display_name=name, locale="en") == 422
    assert people.postgres.rows("SELECT display_name FROM auth.account") == [("Anna",)]


@pytest.mark.parametrize("locale", ["", "fr", "../en", "EN"])
async def test_a_language_that_is_none_of_ours_is_english(people: People, browser: Browser, locale: str) -> None:
    await people.join()
    await browser.sign_in()

    await browser.submit("/account", display_name="Anna", locale=locale)

    assert people.postgres.rows("SELECT locale FROM auth.account") == [("en",)]


async def test_whatever_somebody_is_called_is_text(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()

    await browser.submit("/account", display_name='"><script>alert(1)</script>{{ 7 * 7 }}', locale="en")

    assert "<script>alert" not in browser.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7 * 7 }}" in browser.text


async def test_an_address_changes_by_both_ends(people: People, browser: Browser, front: Front) -> None:
    await people.join()
    await browser.sign_in()
    await browser.get("/account/address")
    assert await browser.submit("/account/address", address="no address") == 422
    await browser.submit("/account/address", address="anna.new@example.com")
    assert browser.page.roles["status"].startswith("Two messages")
    letters = {letter.recipient: letter.text for letter in await people.post()}

    for at, to in enumerate((NAME, "anna.new@example.com")):
        anywhere = Browser(front)
        path = letters[to].partition(ORIGIN)[2].split()[0]
        await anywhere.get(path)
        assert NAME in anywhere.text
        assert people.postgres.rows("SELECT login_name FROM auth.account") == [(NAME,)]
        await anywhere.submit(path.partition("?")[0])
        assert ("Your address has changed" in anywhere.text) is bool(at)

    assert people.postgres.rows("SELECT login_name FROM auth.account") == [("anna.new@example.com",)]


@pytest.mark.parametrize("page", ["old-address", "new-address"])
async def test_an_end_that_opens_nothing_says_so(browser: Browser, page: str) -> None:
    assert await browser.get(f"/{page}?code=x") == 410


async def test_another_password_ends_the_other_sessions(people: People, browser: Browser, front: Front) -> None:
    await people.join()
    await browser.sign_in()
    other = Browser(front)
    await other.sign_in()
    await browser.get("/account/password")
    assert await browser.submit("/account/password", password=NAME) == 422

    await browser.submit("/account/password", password=OTHER)

    assert browser.at == "/account/sign-in"
    await other.get("/account")
    assert other.at == "/sign-in"
    assert PASSWORD not in browser.text
