"""Signing in by the pages: a password, a second factor, a passkey alone; and what a thief of cookies finds."""

import json

import pytest

from services.auth.pages.front import Front
from services.auth.pages.sign_in import chosen_method
from tests.harness.authenticator import Authenticator
from tests.integration.auth.browsers import SESSION, Browser
from tests.integration.auth.people import NAME, ORIGIN, PASSWORD, People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
SIGN_IN, FACTOR = "__Host-ironflock_sign_in", "/sign-in/second-factor"


async def passkey(browser: Browser, action: str, device: Authenticator, **fields: str) -> int:
    """What the script does: ask, let the authenticator answer, send its answer in the form."""
    form = browser.page.forms[action]
    reply = await browser.post(f"{action}/options", {"form_token": form["form_token"]})
    assert reply.status == 200, reply
    assert dict(reply.headers)["content-type"] == "application/json"
    asked = json.loads(reply.body)
    answer = device.get(json.dumps(asked["options"]))
    await browser.post(action, {**form, **fields, "token": asked["token"], "credential": json.dumps(answer)})
    return await browser._follow()


async def test_the_first_page_leads_in(people: People, browser: Browser) -> None:
    await people.join()
    await browser.get("/")
    assert browser.at == "/sign-in"

    await browser.sign_in()
    await browser.get("/")

    assert browser.at == "/account"


async def test_a_wrong_password_is_said_on_the_form_which_keeps_the_name_alone(
    people: People, browser: Browser
) -> None:
    await people.join()

    await browser.sign_in(password="quietly nine lamps ham")

    assert browser.reply.status == 403
    assert browser.alert == "The e-mail address and the password do not match."
    assert browser.page.forms["/sign-in"]["login_name"] == NAME
    assert browser.page.forms["/sign-in"]["password"] == ""
    assert SESSION not in browser.jar


async def test_a_session_that_somebody_planted_is_worth_nothing(people: People, browser: Browser) -> None:
    await people.join()
    browser.jar[SESSION] = "planted"

    await browser.sign_in()

    assert browser.at == "/account"
    assert browser.jar[SESSION] != "planted"


async def test_signing_in_over_a_session_ends_it(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()
    first = browser.jar[SESSION]
    await browser.get("/sign-in?other=1")

    await browser.submit("/sign-in", login_name=NAME, password=PASSWORD)

    assert browser.jar[SESSION] != first
    assert people.postgres.rows("SELECT count(*) FROM auth.session WHERE ended_at IS NULL") == [(2,)]  # and join's


async def test_whoever_is_signed_in_is_not_asked_again_unless_a_client_does(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()
    await browser.ask("GET", "/sign-in?return_to=/account/data")
    assert browser.header("location") == "/account/data"

    await browser.ask("GET", "/sign-in?return_to=/oauth/authorize?client_id=x")

    assert browser.header("location") == "/step-up?return_to=%2Foauth%2Fauthorize%3Fclient_id%3Dx"


async def test_to_a_client_it_goes_on_by_a_page_of_ours(people: People, browser: Browser) -> None:
    await people.join()

    await browser.sign_in(to='/oauth/authorize?client_id="><script>')

    assert browser.reply.status == 200
    assert "<script>" not in browser.text.replace('<script type="module"', "")
    assert "/oauth/authorize?client_id=" in browser.text


async def test_with_a_second_factor_the_password_opens_the_second_step_alone(people: People, browser: Browser) -> None:
    secret = await people.enrol(await people.join())
    people.later()
    await browser.sign_in(to="/account/data")
    assert (browser.at, SESSION in browser.jar) == (FACTOR, False)

    await browser.submit(FACTOR, code="000000")
    assert browser.reply.status == 403
    assert SESSION not in browser.jar
    await browser.submit(FACTOR, code=people.code(secret))

    assert browser.at == "/account/data"
    assert SESSION in browser.jar
    assert SIGN_IN not in browser.jar


async def test_five_wrong_codes_end_the_sign_in(people: People, browser: Browser) -> None:
    await people.enrol(await people.join())
    await browser.sign_in()
    for _ in range(5):
        await browser.submit(FACTOR, code="000000")

    assert "/sign-in" in browser.page.forms
    assert FACTOR not in browser.page.forms


async def test_a_recovery_code_opens_once(people: People, browser: Browser, front: Front) -> None:
    joined = await people.join()
    await people.enrol(joined)
    codes = await people.factors.renew_recovery_codes(joined.session.account_key, None)
    await browser.sign_in()
    await browser.get(f"{FACTOR}?with=recovery")
    await browser.submit(FACTOR, code=codes[0].lower())
    assert browser.at == "/account"

    again = Browser(front)
    await again.sign_in()
    await again.get(f"{FACTOR}?with=recovery")
    await again.submit(FACTOR, code=codes[0])

    assert again.reply.status == 403
    assert SESSION not in again.jar


async def with_passkey(people: People) -> Authenticator:
    joined, device = await people.join(), Authenticator(ORIGIN)
    asked = await people.passkeys.begin(joined.session)
    await people.passkeys.add(joined.session, asked.token, "laptop", device.create(asked.options))
    return device


async def test_a_passkey_signs_in_alone(people: People, browser: Browser) -> None:
    device = await with_passkey(people)
    await browser.get("/sign-in?return_to=/account/data")

    await passkey(browser, "/sign-in/passkey", device)

    assert browser.at == "/account/data"


async def test_a_passkey_is_the_second_step(people: People, browser: Browser) -> None:
    device = await with_passkey(people)
    await browser.sign_in()

    await passkey(browser, f"{FACTOR}/passkey", device)

    assert browser.at == "/account"


async def test_a_passkey_that_nobody_has_is_refused_on_the_form(people: People, browser: Browser) -> None:
    await with_passkey(people)
    for action in ("/sign-in/passkey", f"{FACTOR}/passkey"):
        if action.startswith(FACTOR):
            await browser.sign_in()
        else:
            await browser.get("/sign-in")
        assert await passkey(browser, action, Authenticator(ORIGIN)) == 403
        assert SESSION not in browser.jar


@pytest.mark.parametrize("credential", ["", "{}", "[" * 9_000, '{"id": 1}', '{"id": "x", "response": {}}', "\x01"])
async def test_an_answer_that_is_none_is_refused_on_the_form(people: People, browser: Browser, credential: str) -> None:
    await with_passkey(people)
    await browser.get("/sign-in")
    form = browser.page.forms["/sign-in/passkey"]
    options = await browser.post("/sign-in/passkey/options", {"form_token": form["form_token"]})
    token = json.loads(options.body)["token"]

    reply = await browser.post("/sign-in/passkey", {**form, "token": token, "credential": credential})

    assert reply.status == 403


async def test_the_second_step_of_nobody_s_sign_in_is_the_first_again(browser: Browser) -> None:
    browser.jar[SIGN_IN] = "made-up"

    assert await browser.get(FACTOR) == 410
    assert "/sign-in" in browser.page.forms
    form = browser.page.forms["/sign-in"]["form_token"]
    assert (await browser.post(f"{FACTOR}/passkey/options", {"form_token": form})).status == 410
    assert (await browser.post(f"{FACTOR}/passkey", {"form_token": form, "credential": "{}"})).status in (403, 410)
    assert (await browser.post(FACTOR, {"form_token": form, "code": "123456"})).status == 410


async def test_the_easiest_factor_is_asked_for_first() -> None:
    assert chosen_method(("passkey", "totp", "recovery"), "") == "passkey"
    assert chosen_method(("totp", "recovery"), "passkey") == "totp"
    assert chosen_method(("totp", "recovery"), "recovery") == "recovery"
    assert chosen_method(("recovery",), "x") == "recovery"
