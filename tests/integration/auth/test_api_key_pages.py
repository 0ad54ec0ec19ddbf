"""API keys, by their pages."""

import pytest

from services.auth.pages.api_keys import scopes_wanted
from services.auth.pages.front import Front
from shared.api_keys import key_hash, key_id
from tests.integration.auth.browsers import Browser
from tests.integration.auth.people import People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
LIST = "/account/api-keys"
WANTED = {"name": "backup", "scope": "read", "projects": "", "life": "30"}


async def made(browser: Browser, **wanted: str) -> str:
    """The text of a new key, as the page shows it."""
    await browser.get(f"{LIST}/create")
    assert await browser.submit(f"{LIST}/create", **{**WANTED, **wanted}) == 200, browser.alert
    return browser.text.partition('class="key mono">')[2].partition("<")[0]


async def test_a_key_is_made_and_shown_once(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()
    await browser.get(LIST)
    assert "You have no API keys." in browser.text

    key = await made(browser, projects=" 3, 7 ")

    [(hashed, scopes, days)] = people.postgres.rows(
        "SELECT key_hash, scopes, round(extract(epoch FROM ends_at - created_at) / 86400) FROM auth.api_key"
    )
    assert (bytes(hashed), sorted(scopes), int(days)) == (key_hash(key), ["read@project/3", "read@project/7"], 30)
    await browser.get(LIST)
    assert "backup" in browser.text
    assert key not in browser.text
    assert people.actions()[-1] == "api_key.created"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ""}, "1 to 100 characters"),
        ({"scope": "everything"}, "what the key may do"),
        ({"scope": "all@project/3", "projects": "3"}, "what the key may do"),
        ({"projects": "plant"}, "what the key may do"),
        ({"projects": ",".join("1" for _ in range(30))}, "what the key may do"),
        ({"life": "9999"}, "when the key ends"),
        ({"life": ""}, "when the key ends"),
    ],
)
async def test_what_is_wrong_is_said_on_the_form(
    people: People, browser: Browser, change: dict[str, str], said: str
) -> None:
    await people.join()
    await browser.sign_in()
    await browser.get(f"{LIST}/create")

    assert await browser.submit(f"{LIST}/create", **{**WANTED, **change}) == 422
    assert said in (browser.alert or "")
    assert people.postgres.rows("SELECT count(*) FROM auth.api_key") == [(0,)]


async def test_a_key_is_rotated_once(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()
    old = await made(browser)
    await browser.get(f"{LIST}/rotate?key={key_id(old)}")

    assert await browser.submit(f"{LIST}/rotate") == 200
    assert "goes on working for 24 h" in browser.text
    assert old not in browser.text
    await browser.get(f"{LIST}/rotate?key={key_id(old)}")
    assert await browser.submit(f"{LIST}/rotate") == 409


async def test_a_key_is_revoked(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()
    key = await made(browser)
    await browser.get(f"{LIST}/revoke?key={key_id(key)}")
    form = browser.page.forms[f"{LIST}/revoke"]

    await browser.submit(f"{LIST}/revoke")

    assert browser.page.roles["status"] == "The key opens nothing any more."
    assert "Ended" in browser.text
    await browser.post(f"{LIST}/revoke", form)
    assert browser.header("location") == LIST
    assert people.actions().count("api_key.ended") == 1


async def test_nobody_reaches_another_person_s_key(people: People, browser: Browser, front: Front) -> None:
    await people.join()
    await people.join("bert@example.com")
    await browser.sign_in()
    key = key_id(await made(browser))
    other = Browser(front)
    await other.sign_in("bert@example.com")
    token = other.page.forms["/account"]["form_token"]
    for each in (key, "x", "", "%C3%BC" * 12):
        for page in ("rotate", "revoke"):
            assert await other.get(f"{LIST}/{page}?key={each}") == 404
            assert (await other.post(f"{LIST}/{page}", {"form_token": token, "key": each})).status in (303, 404)

    assert people.postgres.rows("SELECT count(*) FROM auth.api_key WHERE ended_at IS NULL") == [(1,)]


async def test_a_form_that_was_left_open_too_long_comes_back_to_its_key(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()
    key = key_id(await made(browser))
    await browser.get(f"{LIST}/rotate?key={key}")
    form = browser.page.forms[f"{LIST}/rotate"]
    people.postgres.run("UPDATE auth.session SET authenticated_at = now() - interval '1 h'")

    await browser.post(f"{LIST}/rotate?key={key}", form)

    assert (browser.header("location") or "").endswith(f"rotate%3Fkey%3D{key}")


async def test_the_scopes_of_a_form() -> None:
    assert scopes_wanted("all", "") == ["all"]
    assert scopes_wanted("read", "3,, 7") == ["read@project/3", "read@project/7"]
