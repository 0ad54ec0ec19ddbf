"""Where clients send people: what is asked, of whom, how often; and where nobody is ever sent."""

import pytest

from tests.integration.auth.browsers import Browser
from tests.integration.auth.people import NAME, PASSWORD
from tests.integration.auth.relying import (
    REDIRECT,
    World,
    claims,
    onward,
    returned,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_who_is_not_signed_in_comes_back_to_the_client_after_it(world: World) -> None:
    await world.people.join()
    client = await world.client()
    browser = world.browser

    await browser.get(client.link())
    assert browser.at == "/sign-in"
    await browser.submit("/sign-in", login_name=NAME, password=PASSWORD)
    assert browser.page.ids["h1"] == "One moment"
    await browser.ask("GET", onward(browser))

    assert (await client.exchange(returned(browser)["code"]))["id_token"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"request": "x.y.z"}, "invalid_request"),
        ({"request_uri": "https://app.example/r"}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
    ],
)
async def test_a_client_is_told_what_was_wrong_with_its_request(
    world: World, changes: dict[str, str | None], error: str
) -> None:
    browser, client = await world.come(), await world.client()

    await browser.ask("GET", client.link(**changes))
    if browser.reply.status in {200, 422}:
        location = onward(browser)
        assert location.startswith(REDIRECT)
        assert f"error={error}" in location
        assert "state=s" in location
        assert "iss=" in location
    else:
        assert returned(browser)["error"] == error


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "https://app.example/callback/../x"},
        {"redirect_uri": "https://app.example/callback?x=1"},
        {"redirect_uri": "https://app.example.evil.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": None},
        {"client_id": "nobody"},
        {"client_id": ""},
        {"client_id": "a\0b"},
        {"client_id": None},
    ],
)
async def test_nobody_is_sent_where_no_client_has_said(world: World, changes: dict[str, str | None]) -> None:
    browser, client = await world.come(), await world.client()

    await browser.ask("GET", client.link(**changes))

    assert browser.reply.status == 422
    assert browser.header("location") is None
    assert "http-equiv" not in browser.text


async def test_prompt_none_asks_nobody(world: World) -> None:
    client, other = await world.client(), await world.client("other", is_first_party=False)
    stranger = Browser(world.front)
    assert (await client.authorized(stranger, prompt="none"))["error"] == "login_required"
    browser = await world.come()

    assert "code" in await client.authorized(browser, prompt="none")
    assert (await other.authorized(browser, prompt="none"))["error"] == "consent_required"
    world.people.postgres.run("UPDATE auth.session SET authenticated_at = now() - interval '10 minutes'")
    assert "code" in await client.authorized(browser, prompt="none", max_age="601")
    assert (await client.authorized(browser, prompt="none", max_age="599"))["error"] == "login_required"


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "300"}, {"prompt": "select_account"}])
async def test_whoever_is_asked_to_shows_again_who_they_are_once(world: World, changes: dict[str, str]) -> None:
    browser, client = await world.come(), await world.client()
    world.people.postgres.run("UPDATE auth.session SET authenticated_at = now() - interval '10 minutes'")

    await browser.get(client.link(**changes))
    assert browser.at == "/step-up"
    await browser.submit("/step-up", password=PASSWORD)
    await browser.ask("GET", onward(browser))

    tokens = await client.exchange(returned(browser)["code"])
    assert world.people.database_now() - claims(tokens["id_token"])["auth_time"] < 60


async def test_a_mark_of_another_request_spares_nothing(world: World) -> None:
    browser, client = await world.come(), await world.client()
    world.people.postgres.run("UPDATE auth.session SET authenticated_at = now() - interval '10 minutes'")
    await browser.ask("GET", client.link(prompt="login"))
    mark = (browser.header("location") or "").partition("so_far%3D")[2]
    assert mark
    world.people.postgres.run("UPDATE auth.session SET authenticated_at = now()")

    await browser.ask("GET", client.link(prompt="login", state="other", so_far=mark))

    assert (browser.header("location") or "").startswith("/step-up")


async def test_a_foreign_client_is_let_in_by_its_person_alone(world: World) -> None:
    browser, client = await world.come(), await world.client(is_first_party=False)

    await browser.get(client.link(scope="openid email"))
    assert browser.at == "/consent"
    assert "see your e-mail address" in browser.text
    await browser.submit("/consent", decision="refuse")
    location = onward(browser)
    assert location.startswith(REDIRECT)
    assert "error=access_denied" in location

    await browser.get(client.link(scope="openid email"))
    await browser.submit("/consent", decision="allow")
    await browser.ask("GET", onward(browser))
    tokens = await client.exchange(returned(browser)["code"])
    assert "code" in await client.authorized(browser, scope="openid email")

    await browser.get("/account/applications")
    await browser.submit("/account/applications/revoke")
    assert (await client.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    await browser.get(client.link(scope="openid"))
    assert browser.at == "/consent"


async def test_forms_of_other_sites_are_only_sent_on(world: World) -> None:
    browser, client = await world.come(), await world.client()
    elsewhere = {"origin": "https://app.example", "sec-fetch-site": "cross-site"}

    await browser.post(client.link().partition("?")[0], {"client_id": "app", "x": "ä"}, elsewhere)
    assert browser.reply.status == 303
    assert browser.header("location") == "/oauth/authorize?client_id=app&x=%C3%A4"
    await browser.post("/consent", {"decision": "allow"}, elsewhere)
    assert browser.reply.status == 403
