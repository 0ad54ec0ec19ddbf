"""Signing out, and the language."""

import pytest

from services.auth.pages.front import Front
from tests.integration.auth.browsers import SESSION, Browser
from tests.integration.auth.people import People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_looking_signs_nobody_out_and_the_button_does(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()
    kept = dict(browser.jar)
    await browser.get("/sign-out")
    assert SESSION in browser.jar

    await browser.submit("/sign-out")

    assert SESSION not in browser.jar
    assert browser.page.ids["h1"] == "You are signed out"
    browser.jar = kept
    await browser.get("/account")
    assert browser.at == "/sign-in"
    assert people.actions()[-1] == "session.ended"


async def test_signing_out_of_a_session_that_another_tab_ended_is_no_error(
    people: People, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people.join()
    await browser.sign_in()
    await browser.get("/sign-out")
    find = people.sessions.find

    async def found_then_ended(*asked: object) -> object:
        session = await find(*asked)  # type: ignore[arg-type]
        people.postgres.run("UPDATE auth.session SET ended_at = now() WHERE ended_at IS NULL")
        return session

    monkeypatch.setattr(people.sessions, "find", found_then_ended)

    assert await browser.submit("/sign-out") == 200
    assert SESSION not in browser.jar


async def test_a_language_is_kept_in_the_browser_and_leads_back(browser: Browser) -> None:
    await browser.get("/language?back=/sign-in%3Freturn_to%3D%252Faccount")

    await browser.submit("/language", locale="de")

    assert browser.at == "/sign-in"
    assert browser.header("content-language") == "de"
    assert 'lang="de"' in browser.text


@pytest.mark.parametrize(
    "back",
    ["//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "", "/ü", "/a\r\nb: c", "/\t/x"],
)
async def test_it_leads_to_a_page_of_ours_alone(browser: Browser, back: str) -> None:
    await browser.get("/language")
    form = browser.page.forms["/language"]

    await browser.post("/language", {**form, "locale": "en", "back": back})

    assert (browser.reply.status, browser.header("location")) == (303, "/")


async def test_browsers_are_spoken_to_as_they_ask(front: Front) -> None:
    browser = Browser(front)

    await browser.ask("GET", "/sign-in", headers={"accept-language": "de-AT,de;q=0.9,en;q=0.1"})

    assert browser.header("content-language") == "de"
