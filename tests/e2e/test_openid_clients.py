"""OpenID clients that nobody here wrote sign people in, refresh their tokens, and sign them out again."""

import asyncio
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pyotp
import pytest

from tests.harness.clients import Account
from tests.harness.openid_clients import (
    Place,
    mod_auth_openidc,
    oauth2_proxy,
    oauth2_proxy_sign_out,
    openid_client,
)
from tests.harness.roaming import RoamingBrowser
from tests.harness.running import RunningPlatform
from tests.harness.site import new_person
from tests.harness.waiting import eventually
from tests.integration.auth.browsers import Browser

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
MAX_WAIT_S = 15.0


@pytest.fixture(name="apache")
def fixture_apache(ironflock: RunningPlatform, owner: Account) -> Iterator[Place]:
    with mod_auth_openidc(ironflock, owner) as place:
        yield place


@pytest.fixture(name="proxy")
def fixture_proxy(ironflock: RunningPlatform, owner: Account) -> Iterator[Place]:
    with oauth2_proxy(ironflock, owner) as place:
        yield place


@pytest.fixture(name="node")
def fixture_node(ironflock: RunningPlatform, owner: Account) -> Iterator[Place]:
    with openid_client(ironflock, owner) as place:
        yield place


@pytest.fixture(name="browser")
def fixture_browser(ironflock: RunningPlatform) -> RoamingBrowser:
    return RoamingBrowser(ironflock)


async def known(browser: RoamingBrowser, url: str) -> dict[str, Any]:
    """The JSON at `url`; empty where there is none for this browser."""
    status = await browser.get(url)
    found: dict[str, Any] = json.loads(browser.text) if status == 200 else {}
    return found


async def is_signed_out_everywhere(browser: RoamingBrowser) -> bool:
    """Whether the session at the provider is over."""
    await browser.get(f"{browser.provider}/account")
    return browser.at == "/sign-in"


async def enrolled(browser: Browser) -> pyotp.TOTP:
    """An authenticator app of whoever is signed in."""
    await browser.get("/account/authenticator")
    await browser.submit("/account/authenticator")
    codes = pyotp.TOTP(browser.page.ids["secret"].replace(" ", ""))
    assert await browser.submit("/account/authenticator/confirm", code=codes.now()) == 200
    return codes


async def test_mod_auth_openidc_signs_in_refreshes_and_signs_out(
    ironflock: RunningPlatform, owner: Account, apache: Place, browser: RoamingBrowser
) -> None:
    address, _ = await new_person(ironflock, owner)
    await browser.get(f"{apache.origin}/")
    await browser.sign_in_as(address)
    assert (browser.url, browser.text) == (f"{apache.origin}/", "inside")
    assert any(urlsplit(each).path == "/consent" for each in browser.passed)
    info = f"{apache.origin}/oidc?info=json"
    first = await known(browser, info)
    assert first["userinfo"]["email"] == first["id_token"]["email"] == first["remote_user"] == address

    await browser.get(f"{apache.origin}/oidc?refresh={quote(apache.origin)}/&access_token={first['access_token']}")
    assert (browser.url, browser.text) == (f"{apache.origin}/", "inside")
    second = await known(browser, info)
    assert second["access_token"] != first["access_token"]

    await browser.get(f"{apache.origin}/oidc?logout={quote(apache.origin)}/out.html")
    assert (browser.url.partition("?")[0], browser.text) == (f"{apache.origin}/out.html", "outside")
    assert any(urlsplit(each).path == "/oauth/end_session" for each in browser.passed)
    assert await is_signed_out_everywhere(browser)
    await browser.get(f"{apache.origin}/")
    assert browser.is_at_provider


async def test_mod_auth_openidc_hears_that_a_session_was_ended_elsewhere(
    ironflock: RunningPlatform, owner: Account, apache: Place, browser: RoamingBrowser
) -> None:
    address, elsewhere = await new_person(ironflock, owner)
    await browser.get(f"{apache.origin}/")
    await browser.sign_in_as(address)
    info = f"{apache.origin}/oidc?info=json"
    assert (await known(browser, info))["remote_user"] == address

    await elsewhere.get("/account/sessions")
    await elsewhere.submit("/account/sessions/end-others")

    async def is_over() -> bool:
        return not await known(browser, info)

    assert await eventually(is_over, MAX_WAIT_S, "the session at Apache is over")
    await browser.get(f"{apache.origin}/")
    assert browser.is_at_provider
    assert browser.at == "/sign-in"


async def test_oauth2_proxy_signs_in_refreshes_and_signs_out(
    ironflock: RunningPlatform, owner: Account, proxy: Place, browser: RoamingBrowser
) -> None:
    address, _ = await new_person(ironflock, owner)
    await browser.get(f"{proxy.origin}/")
    assert await browser.sign_in_as(address) == 200
    assert browser.url == f"{proxy.origin}/"
    assert (await known(browser, f"{proxy.origin}/oauth2/userinfo"))["email"] == address

    async def access_token() -> str:
        assert await browser.get(f"{proxy.origin}/oauth2/auth") == 202, browser.text
        assert browser.header("x-auth-request-email") == address
        return browser.header("x-auth-request-access-token") or ""

    first = await access_token()

    async def is_another() -> bool:
        return await access_token() != first

    assert await eventually(is_another, MAX_WAIT_S, "oauth2-proxy has refreshed its tokens")

    await browser.get(oauth2_proxy_sign_out(proxy))
    assert browser.url == f"{proxy.origin}/ping"
    assert await is_signed_out_everywhere(browser)
    assert await browser.get(f"{proxy.origin}/oauth2/auth") == 401


async def test_oauth2_proxy_lets_nobody_in_whose_session_was_ended_elsewhere(
    ironflock: RunningPlatform, owner: Account, proxy: Place, browser: RoamingBrowser
) -> None:
    address, elsewhere = await new_person(ironflock, owner)
    await browser.get(f"{proxy.origin}/")
    await browser.sign_in_as(address)
    assert browser.url == f"{proxy.origin}/"

    await elsewhere.get("/account/sessions")
    await elsewhere.submit("/account/sessions/end-others")

    async def is_refused() -> bool:
        return await browser.get(f"{proxy.origin}/oauth2/auth") == 401

    assert await eventually(is_refused, MAX_WAIT_S, "oauth2-proxy could not refresh its tokens")
    await browser.get(f"{proxy.origin}/")
    assert browser.is_at_provider
    assert browser.at == "/sign-in"


async def test_a_stolen_cookie_of_oauth2_proxy_is_found_out_and_its_person_comes_back(
    ironflock: RunningPlatform, owner: Account, proxy: Place, browser: RoamingBrowser
) -> None:
    address, _ = await new_person(ironflock, owner)
    await browser.get(f"{proxy.origin}/")
    await browser.sign_in_as(address)
    thief = browser.copied()  # with the first refresh token

    async def status() -> int:
        return await browser.get(f"{proxy.origin}/oauth2/auth")

    async def has_refreshed() -> bool:
        assert await status() == 202
        return bool(browser.given())

    await eventually(has_refreshed, MAX_WAIT_S, "oauth2-proxy has refreshed its tokens")
    assert await thief.get(f"{proxy.origin}/oauth2/auth") == 401

    async def is_out() -> bool:
        return await status() == 401

    await eventually(is_out, MAX_WAIT_S, "whatever comes from that sign-in has ended")
    assert await browser.get(f"{proxy.origin}/") == 200
    assert browser.url == f"{proxy.origin}/"
    assert await status() == 202


async def test_openid_client_signs_in_with_two_factors_refreshes_and_signs_out(
    ironflock: RunningPlatform, owner: Account, node: Place, browser: RoamingBrowser
) -> None:
    address, elsewhere = await new_person(ironflock, owner)
    codes = await enrolled(elsewhere)
    await browser.get(f"{node.origin}/login")
    next_code = codes.at(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=codes.interval))  # noqa: TID251 - real codes
    await browser.sign_in_as(address, next_code)
    assert browser.url == f"{node.origin}/"
    first = json.loads(browser.text)
    assert first["userinfo"]["email"] == first["claims"]["email"] == address
    assert first["claims"]["acr"] == "urn:ironflock:acr:two-factors"
    assert {"pwd", "otp", "mfa"} <= set(first["claims"]["amr"])

    second = await known(browser, f"{node.origin}/refresh")
    assert second["userinfo"] == first["userinfo"]
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    shown = await known(browser, f"{node.origin}/introspect")
    assert (shown["active"], shown["sub"]) == (True, second["claims"]["sub"])

    assert await known(browser, f"{node.origin}/revoke") == {}
    assert await known(browser, f"{node.origin}/introspect") == {"active": False}
    assert await browser.get(f"{node.origin}/refresh") == 400
    assert json.loads(browser.text)["error"] == "invalid_grant"

    assert await known(browser, f"{node.origin}/logout") == {"said": {"state": "the end"}}
    assert await is_signed_out_everywhere(browser)


async def test_openid_client_finds_the_answer_to_be_ours(
    ironflock: RunningPlatform, owner: Account, node: Place, browser: RoamingBrowser
) -> None:
    address, _ = await new_person(ironflock, owner)
    server = await known(browser, f"{node.origin}/server")
    assert server["issuer"] == node.issuer
    assert server["authorization_response_iss_parameter_supported"] is True
    await browser.get(f"{node.origin}/login")
    await browser.sign_in_as(address)
    await browser.ask("GET", f"{node.origin}/login")
    await browser.ask("GET", browser.header("location") or "")
    answer = browser.header("location") or ""
    assert parse_qs(urlsplit(answer).query)["iss"] == [node.issuer]

    for forged in (answer.partition("&iss=")[0], answer.replace(quote(node.issuer, safe=""), "https%3A%2F%2Fevil")):
        assert forged != answer
        assert await browser.get(forged) == 400
        assert json.loads(browser.text)["error"] == "OAUTH_INVALID_RESPONSE"
    assert await browser.get(answer) == 200


async def test_openid_client_lets_a_device_in(
    ironflock: RunningPlatform, owner: Account, node: Place, browser: RoamingBrowser
) -> None:
    address, signed_in = await new_person(ironflock, owner)
    waiting = await known(browser, f"{node.origin}/device")
    outcome = asyncio.create_task(known(browser, f"{node.origin}/device/outcome"))
    await signed_in.get(f"/device?user_code={waiting['user_code']}")
    await signed_in.submit("/device")
    assert await signed_in.submit("/device/decide", decision="allow") == 200

    let_in = await outcome
    assert let_in["claims"]["email"] == address
    assert let_in["has_refresh_token"]
