"""Second factors that are typed, by their pages."""

import re

import pyotp
import pytest

from tests.integration.auth.browsers import Browser
from tests.integration.auth.people import People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
CONFIRM = "/account/authenticator/confirm"


async def enrolled(people: People, browser: Browser) -> tuple[str, list[str]]:
    """The secret of an app that was set up by the pages, and the recovery codes that came with it."""
    await people.join()
    await browser.sign_in()
    await browser.get("/account/authenticator")
    await browser.submit("/account/authenticator")
    assert browser.at == CONFIRM
    secret = browser.page.ids["secret"].replace(" ", "")
    assert "<svg" in browser.text
    assert await browser.submit(CONFIRM, code="000000") == 403
    assert browser.page.ids["secret"].replace(" ", "") == secret
    assert await browser.submit(CONFIRM, code=people.code(secret)) == 200
    return secret, re.findall(r"<li>([A-Z0-9-]+)</li>", browser.text)


async def test_an_app_is_set_up_and_recovery_codes_come_with_it(people: People, browser: Browser) -> None:
    secret, codes = await enrolled(people, browser)

    assert len(set(codes)) == 10
    assert pyotp.TOTP(secret).digits == 6
    await browser.get("/account/sign-in")
    assert "10 of 10 left" in browser.text
    assert secret not in browser.text
    assert not any(code in browser.text for code in codes)


async def test_a_secret_that_was_confirmed_is_not_shown_again(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()

    await browser.get(CONFIRM)

    assert browser.at == "/account/authenticator"


async def test_new_codes_end_the_old_ones(people: People, browser: Browser) -> None:
    secret, codes = await enrolled(people, browser)
    people.later()
    await browser.get("/account/recovery-codes")
    assert browser.at == "/step-up"
    await browser.submit("/step-up", code=people.code(secret))

    await browser.submit("/account/recovery-codes")

    fresh = re.findall(r"<li>([A-Z0-9-]+)</li>", browser.text)
    assert len(fresh) == 10
    assert not set(fresh) & set(codes)
    assert people.actions().count("recovery_codes.renewed") == 2


async def test_an_app_is_removed(people: People, browser: Browser) -> None:
    secret, _ = await enrolled(people, browser)
    people.later()
    await browser.get("/account/authenticator/remove")
    await browser.submit("/step-up", code=people.code(secret))

    await browser.submit("/account/authenticator/remove")

    assert browser.page.roles["status"] == "The authenticator app is removed."
    assert people.actions()[-1] == "totp.removed"


async def test_an_app_that_is_not_there_cannot_be_removed(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()
    await browser.get("/account/authenticator/remove")

    assert await browser.submit("/account/authenticator/remove") == 404
