"""Where a person is signed in."""

import pytest

from services.auth.pages.front import Front
from tests.integration.auth.browsers import Browser
from tests.integration.auth.people import People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_sessions_are_shown_and_ended_one_by_one(people: People, browser: Browser, front: Front) -> None:
    await people.join()
    elsewhere = Browser(front, address="198.51.100.9")
    await elsewhere.sign_in()
    await browser.sign_in()
    await browser.get("/account/sessions")
    assert "198.51.100.9" in browser.text
    assert browser.text.count("Firefox · Linux") >= 2
    [(theirs,)] = people.postgres.rows("SELECT session_id FROM auth.session WHERE address = '198.51.100.9'")

    await browser.submit("/account/sessions/end", session=theirs)

    assert browser.page.roles["status"] == "The session has ended."
    assert "198.51.100.9" not in browser.text
    await elsewhere.get("/account")
    assert elsewhere.at == "/sign-in"
    await browser.submit("/account/sessions/end", session=theirs)
    assert "status" not in browser.page.roles


async def test_all_others_end_at_once(people: People, browser: Browser, front: Front) -> None:
    await people.join()
    elsewhere = Browser(front)
    await elsewhere.sign_in()
    await browser.sign_in()
    await browser.get("/account/sessions")

    await browser.submit("/account/sessions/end-others")

    assert browser.at == "/account/sessions"
    assert "You are signed in nowhere else." in browser.text
    await elsewhere.get("/account")
    assert elsewhere.at == "/sign-in"


async def test_nobody_ends_another_person_s_session(people: People, browser: Browser, front: Front) -> None:
    await people.join()
    await people.join("bert@example.com")
    other = Browser(front)
    await other.sign_in("bert@example.com")
    [(theirs,)] = people.postgres.rows(
        "SELECT session_id FROM auth.session JOIN auth.account USING (account_key)"
        " WHERE login_name = 'bert@example.com' ORDER BY auth.session.created_at DESC LIMIT 1"
    )
    await browser.sign_in()
    await browser.get("/account/sessions")

    await browser.submit("/account/sessions/end", session=theirs)

    await other.get("/account")
    assert other.at == "/account"
