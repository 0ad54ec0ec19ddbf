"""Showing again who one is: the cookie changes, and it goes on where it was wanted."""

import json

import pytest

from tests.harness.authenticator import Authenticator
from tests.integration.auth.browsers import SESSION, Browser
from tests.integration.auth.people import ORIGIN, PASSWORD, People
from tests.integration.auth.test_sign_in_pages import FACTOR, passkey

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def grown_old(people: People, browser: Browser) -> str:
    """Signed in, longer than five minutes ago; the cookie."""
    people.postgres.run("UPDATE auth.session SET authenticated_at = now() - interval '1 h', factor_at = NULL")
    await browser.get("/account/password")
    assert browser.at == "/step-up"
    return browser.jar[SESSION]


async def test_by_the_password_where_there_is_no_factor(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()
    old = await grown_old(people, browser)

    assert await browser.submit("/step-up", password="quietly nine lamps ham") == 403
    assert browser.jar[SESSION] == old
    await browser.submit("/step-up", password=PASSWORD)

    assert (browser.at, browser.reply.status) == ("/account/password", 200)
    assert browser.jar[SESSION] != old
    browser.jar[SESSION] = old
    await browser.get("/account")
    assert browser.at == "/sign-in"


async def test_by_a_code_where_there_is_one(people: People, browser: Browser) -> None:
    secret = await people.enrol(await people.join())
    people.later()
    await browser.sign_in()
    await browser.submit(FACTOR, code=people.code(secret))
    await grown_old(people, browser)
    assert (await browser.submit("/step-up", code="000000"), browser.at) == (403, "/step-up")
    people.later()

    await browser.submit("/step-up", code=people.code(secret))

    assert browser.at == "/account/password"


async def test_the_password_is_not_enough_where_there_is_a_factor(people: People, browser: Browser) -> None:
    secret = await people.enrol(await people.join())
    people.later()
    await browser.sign_in()
    await browser.submit(FACTOR, code=people.code(secret))
    old = await grown_old(people, browser)

    await browser.submit("/step-up", with_="password", password=PASSWORD)

    assert browser.reply.status == 403
    assert browser.jar[SESSION] == old


async def test_by_a_recovery_code(people: People, browser: Browser) -> None:
    joined = await people.join()
    secret = await people.enrol(joined)
    codes = await people.factors.renew_recovery_codes(joined.session.account_key, None)
    people.later()
    await browser.sign_in()
    await browser.submit(FACTOR, code=people.code(secret))
    await grown_old(people, browser)
    await browser.get("/step-up?with=recovery&return_to=/account/password")

    await browser.submit("/step-up", code=codes[0])

    assert browser.at == "/account/password"


async def test_by_a_passkey(people: People, browser: Browser) -> None:
    joined, device = await people.join(), Authenticator(ORIGIN)
    asked = await people.passkeys.begin(joined.session)
    await people.passkeys.add(joined.session, asked.token, "laptop", device.create(asked.options))
    await browser.get("/sign-in")
    await passkey(browser, "/sign-in/passkey", device)
    await grown_old(people, browser)
    assert await passkey(browser, "/step-up/passkey", Authenticator(ORIGIN)) == 403

    await browser.get("/step-up?return_to=/account/password")
    await passkey(browser, "/step-up/passkey", device)

    assert browser.at == "/account/password"


@pytest.mark.parametrize("credential", ["", "null", json.dumps({"id": "x", "response": {"clientDataJSON": 1}})])
async def test_an_answer_that_is_none_is_refused(people: People, browser: Browser, credential: str) -> None:
    await people.join()
    await browser.sign_in()
    token = browser.page.forms["/account"]["form_token"]
    options = json.loads((await browser.post("/step-up/passkey/options", {"form_token": token})).body)

    fields = {"form_token": token, "token": options["token"], "credential": credential}

    assert (await browser.post("/step-up/passkey", fields)).status == 403
    assert (await browser.post("/step-up/passkey", {**fields, "token": "x", "credential": "{}"})).status == 403
