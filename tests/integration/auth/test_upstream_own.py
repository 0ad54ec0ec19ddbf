"""Our own provider as the other one: real tokens over real TLS, from sign-in to both kinds of its end."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from attrs import evolve

from services.auth.pages.programs import Programs, endpoints_of, endpoints_of_upstream
from services.auth.pages.visits import Asked
from services.auth.pages.whole import front_of
from services.auth.provider import signing_keys
from services.auth.provider.whole import Provider, provider_of
from tests.integration.auth.browsers import AUDIENCE, Browser
from tests.integration.auth.elsewhere import Elsewhere
from tests.integration.auth.people import NAME, ORIGIN, PASSWORD
from tests.integration.auth.relying import onward, relying_party
from tests.integration.auth.standin import Answer, StandIn

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
BOB = "bob@example.com"


class Own:
    """Our provider at the stand-in's address; Anna is known there, Bob is here."""

    def __init__(self, elsewhere: Elsewhere, standin: StandIn) -> None:
        people = elsewhere.people
        self.elsewhere = elsewhere
        self.provider: Provider = provider_of(
            people.database, people.parts.keyring, people.throttle, people.rights, issuer=standin.issuer,
            audience=AUDIENCE, now=lambda: people.now, chance=lambda: 0.0, clients_ca=str(standin.certificates.ca),
        )  # fmt: skip
        elsewhere.know(
            standin.provider(
                client_id="here", client_secret="secret-of-here", scopes=("openid", "email"), trusts_addresses=False
            )
        )
        there = evolve(elsewhere.desk, provider=self.provider)
        self.there = Browser(front_of(there, origin=standin.issuer, is_sign_up_open=True))
        endpoints = {**endpoints_of(self.provider), **endpoints_of_upstream(elsewhere.upstream)}
        standin.answering = forwarded(Programs(endpoints, asyncio.ensure_future), asyncio.get_running_loop())
        self.issuer = standin.issuer

    async def begin(self) -> None:
        await self.provider.keys.rotate()
        await relying_party(
            self.provider, self.elsewhere.people.database, "here", redirect_uris=[f"{ORIGIN}/upstream/works/callback"],
            backchannel_logout_uri=f"{self.issuer}/upstream/works/logout",
            post_logout_redirect_uris=[],
        )  # fmt: skip
        await self.elsewhere.people.join(NAME)
        await self.elsewhere.people.join(BOB)
        assert await self.there.sign_in(NAME) == 200

    async def through(self, browser: Browser) -> int:
        """The browser goes there and comes back."""
        url = urlsplit(onward(browser))
        await self.there.ask("GET", f"{url.path}?{url.query}")
        location = urlsplit(self.there.header("location") or "")
        assert f"{location.scheme}://{location.netloc}" == ORIGIN, self.there.text
        return await browser.get(f"{location.path}?{location.query}")

    async def linked(self) -> Browser:
        """Bob has linked Anna's account there, and has come by it."""
        browser = self.elsewhere.browser()
        await browser.sign_in(BOB, PASSWORD, to="/account/providers/link?provider=works")
        await browser.submit("/account/providers/link")
        assert await self.through(browser) == 200, browser.text
        assert browser.at == "/account/sign-in"
        other = self.elsewhere.browser()
        await self.elsewhere.sent(other)
        assert await self.through(other) == 200, other.text
        assert other.at == "/account"
        assert BOB in other.text
        return other


def forwarded(programs: Programs, loop: asyncio.AbstractEventLoop) -> Callable[[str, dict[str, str], bytes], Answer]:
    """What answers over TLS, from the loop of the test."""

    def answer(target: str, headers: dict[str, str], body: bytes) -> Answer:
        path, _, query = target.partition("?")
        asked = Asked("POST" if body else "GET", path, query, headers, {}, body, "127.0.0.1")
        reply = asyncio.run_coroutine_threadsafe(programs.reply(asked), loop).result(20)
        return reply.status, dict(reply.headers), reply.body

    return answer


@pytest.fixture
def own(elsewhere: Elsewhere, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Own]:
    monkeypatch.setattr(signing_keys, "SIGNING_KEY_BITS", 2048)
    return lambda: Own(elsewhere, standin)


async def test_a_person_of_our_own_provider_signs_in_and_is_out_when_disabled_there(own: Callable[[], Own]) -> None:
    world = own()
    await world.begin()
    browser = await world.linked()
    postgres, checks = world.elsewhere.people.postgres, world.elsewhere.upstream.checks
    for _ in range(2):  # each refresh token there counts once
        postgres.run("UPDATE auth.upstream_session SET next_check_at = now()")
        await checks.keep_up()
        await browser.get("/account")
        assert browser.at == "/account"

    postgres.run("UPDATE auth.account SET state = 'disabled' WHERE login_name = %s", NAME)
    postgres.run("UPDATE auth.upstream_session SET next_check_at = now()")
    await checks.keep_up()

    await browser.get("/account")
    assert browser.at == "/sign-in"


async def test_a_sign_out_at_our_own_provider_is_one_here(own: Callable[[], Own]) -> None:
    world = own()
    await world.begin()
    browser = await world.linked()

    await world.there.get("/sign-out")
    await world.there.submit("/sign-out")
    await world.provider.families.keep_up()
    while await world.provider.endings.tell_due():
        pass

    await browser.get("/account")
    assert browser.at == "/sign-in"
    assert world.elsewhere.rows("SELECT count(*) FROM auth.logout_notice") == [(0,)]
