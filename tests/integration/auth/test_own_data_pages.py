"""What is kept of a person: a copy, and an end to it."""

import json

import pytest

from tests.integration.auth.browsers import SESSION, Browser
from tests.integration.auth.neighbours import Neighbours
from tests.integration.auth.people import NAME, People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DELETE = "/account/data/delete"


async def test_the_copy_is_a_file_and_is_recorded(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()
    await browser.get("/account/data/export")

    await browser.submit("/account/data/export")

    assert browser.header("content-type") == "application/json"
    assert (browser.header("content-disposition") or "").startswith('attachment; filename="ironflock-account-')
    assert json.loads(browser.reply.body)["data"]["account"][0]["login_name"] == NAME
    assert people.actions()[-1] == "account.exported"


async def test_deletion_wants_the_login_name_and_gives_a_receipt(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()
    await browser.get(DELETE)
    assert await browser.submit(DELETE, confirm="bert@example.com") == 422
    assert browser.page.forms[DELETE]["confirm"] == "bert@example.com"

    assert await browser.submit(DELETE, confirm=NAME.upper()) == 200

    assert "This is your receipt" in browser.text
    assert SESSION not in browser.jar
    assert people.postgres.rows("SELECT count(*) FROM auth.account WHERE erased_at IS NULL") == [(0,)]
    await browser.sign_in()
    assert browser.reply.status == 403


async def test_an_owner_of_projects_is_asked_once_more(
    people: People, browser: Browser, neighbours: Neighbours
) -> None:
    joined = await people.join()
    neighbours.owned[joined.session.account_key] = [{"project_key": 1, "name": "plant"}]
    await browser.sign_in()
    await browser.get(DELETE)
    assert "with_projects" not in browser.text

    assert await browser.submit(DELETE, confirm=NAME) == 409
    assert "with_projects" in browser.text
    assert await browser.submit(DELETE, confirm=NAME, with_projects="yes") == 200
