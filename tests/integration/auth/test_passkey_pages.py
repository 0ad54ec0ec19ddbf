"""A person's passkeys, by their pages."""

import json
import re

import pytest

from tests.harness.authenticator import Authenticator, b64
from tests.integration.auth.browsers import Browser
from tests.integration.auth.people import ORIGIN, People
from tests.integration.auth.test_sign_in_pages import passkey

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ADD = "/account/passkeys/add"


async def answered(browser: Browser, device: Authenticator) -> dict[str, str]:
    """The fields of the form to add `device`, as the script fills them in."""
    await browser.get(ADD)
    form = browser.page.forms[ADD]
    asked = json.loads((await browser.post(f"{ADD}/options", {"form_token": form["form_token"]})).body)
    return {**form, "token": asked["token"], "credential": json.dumps(device.create(json.dumps(asked["options"])))}


async def added(people: People, browser: Browser, device: Authenticator, name: str = "laptop") -> None:
    await people.join()
    await browser.sign_in()
    reply = await browser.post(ADD, {**await answered(browser, device), "name": name})
    assert reply.status == 200, browser.alert


async def test_the_first_passkey_comes_with_recovery_codes(people: People, browser: Browser) -> None:
    await added(people, browser, Authenticator(ORIGIN))

    assert len(re.findall(r"<li>[A-Z0-9-]+</li>", browser.text)) == 10
    await browser.get("/account/sign-in")
    assert "laptop" in browser.text


async def test_another_one_is_said(people: People, browser: Browser) -> None:
    device = Authenticator(ORIGIN)
    await added(people, browser, device)
    await browser.get(ADD)
    await passkey(browser, "/step-up/passkey", device)

    await browser.post(ADD, {**await answered(browser, Authenticator(ORIGIN)), "name": "phone"})

    assert browser.header("location") == "/account/sign-in"


async def test_the_suggested_name_is_what_the_browser_is(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()
    await browser.get(ADD)

    assert browser.page.forms[ADD]["name"] == "Firefox · Linux"


@pytest.mark.parametrize(
    ("change", "status"),
    [({"credential": ""}, 403), ({"credential": "[]"}, 403), ({"token": "x"}, 410), ({"name": ""}, 422),
     ({"name": "\u202e"}, 422), ({"credential": '{"id":"x","response":{"attestationObject":"AA"}}'}, 403)],
)  # fmt: skip
async def test_what_is_wrong_is_said_on_the_form(
    people: People, browser: Browser, change: dict[str, str], status: int
) -> None:
    await people.join()
    await browser.sign_in()

    reply = await browser.post(ADD, {**await answered(browser, Authenticator(ORIGIN)), **change})

    assert reply.status == status
    assert ADD in browser.page.forms
    assert people.postgres.rows("SELECT count(*) FROM auth.passkey") == [(0,)]


async def test_a_challenge_of_another_session_is_worth_nothing(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()
    fields = await answered(browser, Authenticator(ORIGIN))
    await browser.get("/sign-out")
    await browser.submit("/sign-out")
    await browser.sign_in()
    await browser.get(ADD)

    reply = await browser.post(ADD, {**fields, "form_token": browser.page.forms[ADD]["form_token"]})

    assert reply.status == 410


async def test_a_passkey_is_renamed_and_removed_by_its_person(people: People, browser: Browser) -> None:
    device = Authenticator(ORIGIN)
    await added(people, browser, device)
    asked = f"?passkey={b64(device.credential_id)}"
    await browser.get(f"/account/passkey{asked}")
    assert await browser.submit("/account/passkey", name="") == 422
    await browser.submit("/account/passkey", name="tower")
    assert "tower" in browser.text

    await browser.get(f"/account/passkey/remove{asked}")
    await passkey(browser, "/step-up/passkey", device)
    await browser.submit("/account/passkey/remove")

    assert browser.page.roles["status"] == "The passkey is removed."
    assert await browser.get(f"/account/passkey{asked}") == 404


@pytest.mark.parametrize("passkey_id", ["", "x", "%C3%BC", "A" * 5_000])
async def test_a_passkey_of_nobody_s_is_not_there(people: People, browser: Browser, passkey_id: str) -> None:
    await people.join()
    await browser.sign_in()
    token = browser.page.forms["/account"]["form_token"]

    assert await browser.get(f"/account/passkey?passkey={passkey_id}") == 404
    for path in ("/account/passkey", "/account/passkey/remove"):
        fields = {"form_token": token, "passkey": passkey_id, "name": "x"}
        assert (await browser.post(path, fields)).status == 404
