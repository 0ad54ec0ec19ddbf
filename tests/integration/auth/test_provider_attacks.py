"""What people and clients try at the OpenID provider to get what nobody gave them."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from attrs import evolve

from services.auth.account_changes import AccountChanges
from services.auth.endings import PROCEDURE, Endings
from services.auth.procedures.tickets import TicketProcedures
from services.auth.provider import exchange
from services.auth.records.tickets import VerifiedTicket, VerifyTicket
from services.auth.signing import Signing
from shared.errors import StepUpRequiredError
from shared.identities import Person, ServiceIdentity
from tests.integration.auth.browsers import Browser
from tests.integration.auth.neighbours import Neighbours
from tests.integration.auth.people import HOME, NAME, PASSWORD
from tests.integration.auth.relying import (
    DEVICE,
    RelyingParty,
    World,
    claims,
    onward,
    returned,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ROUTER = ServiceIdentity("router", 1)
OTHER = "bert@example.com"


async def another(world: World) -> Browser:
    """Bert, in a browser of his own."""
    await world.people.join(OTHER)
    browser = Browser(world.front, address="192.0.2.66")
    assert await browser.sign_in(OTHER) == 200
    return browser


def mark_of(location: str) -> str:
    """The mark in where a page of ours sends the browser."""
    asked = parse_qs(urlsplit(location).query)
    inner = asked["return_to"][0] if "return_to" in asked else location
    return parse_qs(urlsplit(inner).query)["so_far"][0]


def old(world: World) -> None:
    """Everybody has shown some time ago who they are."""
    world.people.postgres.run("UPDATE auth.session SET authenticated_at = now() - interval '10 minutes'")


async def consented(browser: Browser, link: str) -> str:
    """The mark of a request to which the browser's person has consented."""
    await browser.get(link)
    await browser.submit("/consent", decision="allow")
    return mark_of(onward(browser))


@pytest.mark.parametrize("prompt", [None, "consent"])
async def test_the_consent_of_one_person_is_not_another_s(world: World, prompt: str | None) -> None:
    anna, client = await world.come(), await world.client(is_first_party=False)
    bert = await another(world)
    mark = await consented(bert, client.link(scope="openid all", prompt=prompt))

    await anna.ask("GET", client.link(scope="openid all", prompt=prompt, so_far=mark))

    assert (anna.header("location") or "").startswith("/consent"), anna.header("location")


async def test_consent_that_was_taken_back_is_asked_for_again(world: World) -> None:
    anna, client = await world.come(), await world.client(is_first_party=False)
    mark = await consented(anna, client.link())
    await anna.get("/account/applications")
    await anna.submit("/account/applications/revoke")

    await anna.ask("GET", client.link(so_far=mark))

    assert (anna.header("location") or "").startswith("/consent")


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"prompt": "select_account"}])
async def test_a_mark_from_another_browser_spares_no_sign_in(world: World, asked: dict[str, str]) -> None:
    anna, client = await world.come(), await world.client()
    bert = await another(world)
    old(world)
    await bert.ask("GET", client.link(**asked))
    of_bert = mark_of(bert.header("location") or "")
    stranger = Browser(world.front)
    await stranger.ask("GET", client.link(**asked))
    of_nobody = mark_of(stranger.header("location") or "")
    world.people.postgres.run("UPDATE auth.session SET authenticated_at = now()")

    for mark in (of_bert, of_nobody):
        await anna.ask("GET", client.link(**asked, so_far=mark))
        assert (anna.header("location") or "").startswith("/step-up")


async def test_signing_in_as_another_person_counts_as_having_shown_who_is_there(world: World) -> None:
    anna, client = await world.come(), await world.client()
    await world.people.join(OTHER)
    old(world)
    await anna.get(client.link(prompt="select_account"))
    assert anna.at == "/step-up"
    link = anna.page.forms["/step-up"]["return_to"]

    await anna.ask("GET", f"/sign-in?other=1&return_to={link.replace('?', '%3F').replace('&', '%26')}")
    await anna.submit("/sign-in", login_name=OTHER, password=PASSWORD)
    await anna.ask("GET", onward(anna))

    assert "code" in returned(anna)


@pytest.mark.parametrize("changes", [{"nonce": "\0"}, {"state": "a\0b"}, {"login_hint": "\0"}])
async def test_characters_that_none_may_have_are_refused(world: World, changes: dict[str, str]) -> None:
    browser, client = await world.come(), await world.client()

    await browser.ask("GET", client.link(**changes))

    assert browser.reply.status == 200
    assert "error=invalid_request" in onward(browser)


@pytest.mark.parametrize(
    "uri",
    ["http://[", "http://[::1", "http://127.0.0.1:1x/cb", "http://127.0.0.1:8:9/cb", "http://127.0.0.1:99999/cb",
     "http://127.0.0.1.evil.example/cb", "http://127.0.0.1@evil.example/cb", "http://127.0.0.1\\@evil.example/cb",
     "http://[::1].evil.example/cb", "http://127.0.0.1/cb#x", "http://127.0.0.1/cb?x", "http://localhost/cb",
     "https://127.0.0.1/cb", "http://127.1/cb", "http://127.0.0.1/cb/../x", "http://127.0.0.1/\u0441b"],
)  # fmt: skip
async def test_a_program_on_this_machine_is_let_in_at_its_own_address_alone(world: World, uri: str) -> None:
    browser = await world.come()
    client = await world.client(redirect_uris=["http://127.0.0.1/cb", "http://[::1]/cb"])

    await browser.ask("GET", client.link(redirect_uri=uri))
    assert browser.reply.status == 422, browser.header("location")
    for good in ("http://127.0.0.1:49152/cb", "http://[::1]:49152/cb"):
        await browser.ask("GET", client.link(redirect_uri=good))
        assert (browser.header("location") or "").startswith(f"{good}?code=")


@pytest.mark.parametrize("kind", ['"', "code\\", "c\u00f6de", "code\n", "code\0"])
async def test_a_malformed_kind_of_answer_is_refused(world: World, kind: str) -> None:
    browser, client = await world.come(), await world.client()

    await browser.ask("GET", client.link(response_type=kind))

    assert browser.reply.status == 422


def tickets_of(world: World, signing: Signing) -> TicketProcedures:
    return world.tickets(signing)


async def opened(world: World, signing: Signing, token: str) -> VerifiedTicket:
    found: VerifiedTicket | None = await tickets_of(world, signing).ticket_verify(ROUTER, VerifyTicket(token))
    assert found is not None
    return found


async def let(browser: Browser, client: RelyingParty, **changes: str) -> dict[str, Any]:
    """The tokens of a client that is not the installation's own, once it was let."""
    await browser.ask("GET", client.link(**changes))
    location = browser.header("location") or ""
    if location.startswith("/consent"):
        await browser.get(location)
        await browser.submit("/consent", decision="allow")
        await browser.ask("GET", onward(browser))
    return await client.exchange(returned(browser)["code"])


@pytest.mark.parametrize("scope", ["openid all", "openid offline_access all"])
async def test_another_s_application_never_steps_up(world: World, signing: Signing, scope: str) -> None:
    browser = await world.come()
    foreign, own = await world.client("foreign", is_first_party=False), await world.client("own")

    for client, is_own in ((foreign, False), (own, True)):
        tokens = await let(browser, client, scope=scope)
        ticket = await opened(world, signing, tokens["access_token"])
        person = Person(ticket.account_key, 0, ticket.credential)
        if is_own:
            await world.people.step_up.require(person)
        else:
            with pytest.raises(StepUpRequiredError, match="application"):
                await world.people.step_up.require(person)


@pytest.mark.parametrize("scope", ["openid all", "openid offline_access all"])
async def test_what_an_application_has_open_on_the_bus_ends_with_its_tokens(
    world: World, signing: Signing, neighbours: Neighbours, scope: str
) -> None:
    neighbours.router.answers[PROCEDURE] = lambda _: 1
    await neighbours.join()
    browser, client = await world.come(), await world.client(is_first_party=False)
    tokens = await let(browser, client, scope=scope)
    ticket = await opened(world, signing, tokens["access_token"])

    await client.post("/oauth/revoke", {"token": tokens["refresh_token"]})
    await Endings(neighbours.bus, world.database, lambda: 0.0).keep_up()

    told = {credential for (ended,) in neighbours.router.called(PROCEDURE) for credential in ended}
    assert ticket.credential in told
    assert (await browser.get("/account")) == 200
    assert browser.at == "/account", "the person's own session goes on"


async def test_a_code_opens_nothing_once_consent_was_taken_back(world: World) -> None:
    browser, client = await world.come(), await world.client(is_first_party=False)
    await let(browser, client)
    code = (await client.authorized(browser))["code"]
    await browser.get("/account/applications")
    await browser.submit("/account/applications/revoke")

    assert (await client.exchange(code))["error"] == "invalid_grant"


async def approved(world: World, browser: Browser, device: RelyingParty) -> dict[str, str]:
    """How a device polls that was let in, and has not yet asked again."""
    waiting = await device.post("/oauth/device_authorization", {"scope": "openid offline_access all"})
    await browser.get(f"/device?user_code={waiting['user_code']}")
    await browser.submit("/device")
    await browser.submit("/device/decide", decision="allow")
    return {"grant_type": DEVICE, "device_code": waiting["device_code"]}


@pytest.mark.parametrize("how", ["reset", "disabled and enabled", "all ended", "that session ended", "signed out"])
async def test_a_device_that_was_let_in_before_a_person_locked_others_out_stays_out(world: World, how: str) -> None:
    browser, device = await world.come(), await world.client(token_endpoint_auth_method="none")
    poll = await approved(world, browser, device)
    people = world.people
    new = await people.signed_in()
    person = people.person(new)

    if how == "reset":
        changes = AccountChanges(people.parts, people.links)
        await people.post()
        await changes.ask_reset(NAME, HOME)
        await changes.reset((await people.link())[1], "entirely other words here")
    elif how == "disabled and enabled":
        people.postgres.run("UPDATE auth.account SET state = 'disabled'")
        await people.sessions.end_all(person)
        people.postgres.run("UPDATE auth.account SET state = 'active'")
    elif how == "all ended":
        await people.sessions.end_all(person, but=person.credential)
    elif how == "that session ended":
        (other,) = [each for each in await people.sessions.of(person.account_key) if each != new.session]
        await people.sessions.end(person, other.session_id)
    else:
        await browser.get("/sign-out")
        await browser.submit("/sign-out")

    answer = await device.token(**poll)
    assert answer.get("error") == (None if how == "signed out" else "expired_token"), answer


async def test_what_a_device_of_another_s_application_may_do_can_be_taken_back(world: World) -> None:
    browser = await world.come()
    device = await world.client(token_endpoint_auth_method="none", is_first_party=False)
    tokens = await device.token(**await approved(world, browser, device))
    late = await approved(world, browser, device)

    await browser.get("/account/applications")
    await browser.submit("/account/applications/revoke")

    assert (await device.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    assert await world.provider.access_tokens.verify(tokens["access_token"]) is None
    assert (await device.token(**late))["error"] == "expired_token"


async def test_own_codes_in_between_do_not_speed_guessing_up(world: World) -> None:
    browser, device = await world.come(), await world.client(token_endpoint_auth_method="none")
    statuses = []
    for _ in range(3):
        waiting = await device.post("/oauth/device_authorization", {"scope": "openid"})
        for code in ("BBBB-BBBB", "CCCC-CCCC", "DDDD-DDDD", waiting["user_code"]):
            await browser.get("/device")
            statuses.append(await browser.submit("/device", user_code=code))

    assert 429 in statuses
    assert statuses.count(404) <= 6


async def test_devices_that_wait_are_bounded_from_one_place_and_in_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MAX_WAITING_FROM_ONE_PLACE", 2)
    monkeypatch.setattr(exchange, "MAX_WAITING", 4)
    device = await world.client(token_endpoint_auth_method="none")

    async def begin(address: str) -> int:
        device.address = address
        await device.post("/oauth/device_authorization", {"scope": "openid"})
        return device.answer.status

    assert [await begin("192.0.2.1") for _ in range(3)] == [200, 200, 503]
    assert device.content["error"] == "temporarily_unavailable"
    assert [await begin(f"2001:db8::{n}%eth0") for n in range(1, 4)] == [200, 200, 503]
    assert await begin("198.51.100.1") == 503
    world.people.postgres.run("UPDATE auth.device_code SET ends_at = now()")
    assert await begin("192.0.2.1") == 200


async def test_nobody_comes_into_another_s_family_by_naming_a_token_of_it(world: World) -> None:
    anna, client = await world.come(), await world.client(token_endpoint_auth_method="none")
    bert = await another(world)
    stolen = await client.signed_in(anna, scope="openid offline_access all")
    following = await client.refresh(stolen["refresh_token"])
    of_anna = claims(following["access_token"])

    back = await client.authorized(bert, scope="openid offline_access all")
    by_code = await client.exchange(back["code"], token=stolen["refresh_token"])
    by_device = await client.token(**await approved(world, bert, client), token=stolen["refresh_token"])

    for tokens in (by_code, by_device):
        said = claims((await client.refresh(tokens["refresh_token"]))["access_token"])
        assert said["sub"] != of_anna["sub"]
        assert said["family"] != of_anna["family"]


async def test_no_refresh_token_is_used_without_being_spent(world: World) -> None:
    browser, client = await world.come(), await world.client()
    one, two = [await client.signed_in(browser, scope="openid all") for _ in range(2)]

    answer = await client.refresh(one["refresh_token"], token=two["refresh_token"])

    assert claims(answer["access_token"])["family"] == claims(one["access_token"])["family"]
    assert (await client.refresh(one["refresh_token"]))["error"] == "invalid_grant"
    assert "access_token" in await client.refresh(two["refresh_token"])


@pytest.mark.parametrize("kind", ["access_token", "logout"])
async def test_no_other_token_of_ours_signs_anybody_out(world: World, kind: str) -> None:
    browser, client = await world.come(), await world.client()
    tokens = await client.signed_in(browser, scope="openid all")
    said = claims(tokens["id_token"])
    signer = await world.provider.keys.signer()
    hint = tokens["access_token"] if kind == "access_token" else signer.sign(said, "logout+jwt")
    client_id = claims(hint)["aud"]

    await browser.ask(
        "GET",
        f"/oauth/end_session?id_token_hint={hint}&client_id={client_id}&post_logout_redirect_uri=https://app.example/bye",
    )

    assert browser.header("location") == "/sign-out"
    assert await world.people.sessions.get(said["sid"]) is not None


async def test_a_hint_about_somebody_else_ends_nobody_s_session(world: World) -> None:
    anna, client = await world.come(), await world.client()
    bert = await another(world)
    of_anna, of_bert = await client.signed_in(anna), await client.signed_in(bert)

    await bert.ask(
        "GET",
        f"/oauth/end_session?id_token_hint={of_anna['id_token']}&post_logout_redirect_uri=https://app.example/bye",
    )

    assert bert.header("location") == "/sign-out"
    for tokens in (of_anna, of_bert):
        assert await world.people.sessions.get(claims(tokens["id_token"])["sid"]) is not None


async def test_what_ended_long_ago_is_forgotten_and_nothing_else(world: World) -> None:
    browser, client = await world.come(), await world.client()
    gone, there = await client.signed_in(browser), await client.signed_in(browser, scope="openid offline_access")
    await client.post("/oauth/revoke", {"token": gone["refresh_token"]})
    run, rows = world.people.postgres.run, world.people.postgres.rows
    run("UPDATE auth.token_family SET ended_at = now() - interval '8 days' WHERE ended_at IS NOT NULL")
    run("UPDATE auth.session SET ended_at = now() - interval '91 days' WHERE ended_at IS NOT NULL")

    await world.provider.families.sweep()

    assert len(rows("SELECT FROM auth.token_family")) == 1
    assert len(rows("SELECT FROM auth.refresh_token")) == 1
    assert rows("SELECT FROM auth.session WHERE ended_at IS NOT NULL") == []
    assert "access_token" in await client.refresh(there["refresh_token"])


async def test_an_application_s_token_is_not_its_person_s_session(world: World, signing: Signing) -> None:
    browser, client = await world.come(), await world.client(is_first_party=False)
    tokens = await let(browser, client, scope="openid all")
    ticket = await opened(world, signing, tokens["access_token"])
    assert ticket.credential == claims(tokens["access_token"])["family"]
    person = evolve(Person(ticket.account_key, 0), credential=ticket.credential)

    assert [
        each for each in await world.people.sessions.of(person.account_key) if each.session_id == person.credential
    ] == []
