"""People who come by another provider: a site that knows one, and browsers that go there and back."""

from collections.abc import Iterable
from typing import Any

from attrs import evolve

from services.auth.erasure import Erasure
from services.auth.pages.desk import Desk
from services.auth.pages.whole import front_of
from services.auth.records.upstream import UpstreamProvider
from services.auth.registration import Registration
from services.auth.upstream.whole import Upstream
from tests.integration.auth.browsers import Browser, desk_on
from tests.integration.auth.people import ORIGIN, People
from tests.integration.auth.relying import onward
from tests.integration.auth.standin import StandIn


class Elsewhere:
    """The site, with other providers."""

    def __init__(
        self, people: People, erasure: Erasure, standin: StandIn, providers: Iterable[UpstreamProvider]
    ) -> None:
        people.now = people.database_now()
        standin.now = lambda: people.now
        self.people = people
        self.standin = standin
        self._erasure = erasure
        self.know(*providers)

    def know(self, *providers: UpstreamProvider) -> None:
        """Other providers from now on."""
        desk = desk_on(self.people, self._erasure, providers)
        self.desk: Desk = evolve(desk, now=self.people.database_now)
        self.front = front_of(self.desk, origin=ORIGIN, is_sign_up_open=True)

    def close_sign_up(self) -> None:
        """People come by invitation from now on."""
        self.people.parts = evolve(self.people.parts, is_open=False)
        self.people.registration = Registration(self.people.parts, self.people.links, self.people.installation)
        self.know(*self.upstream.providers.values())

    @property
    def upstream(self) -> Upstream:
        return self.desk.upstream

    def browser(self) -> Browser:
        return Browser(self.front)

    async def sent(self, browser: Browser, *, to: str = "/account") -> str:
        """Where the browser is sent that wants to sign in by the provider."""
        assert await browser.get(f"/sign-in?return_to={to}") == 200
        assert await browser.submit("/upstream/works") == 200, browser.text
        return onward(browser)

    async def come(self, browser: Browser, *, to: str = "/account", **claims: Any) -> int:
        """Somebody comes by the provider; where it ended is in the browser."""
        self.standin.claims = claims
        return await browser.get(self.standin.authorize(await self.sent(browser, to=to)))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.people.postgres.rows(query)

    def state(self) -> list[Any]:
        """Whatever a sign-in that is refused must leave as it was."""
        return [
            self.rows(query)
            for query in (
                "SELECT account_key, login_name, state FROM auth.account ORDER BY 1",
                "SELECT * FROM auth.upstream_link ORDER BY 1, 2",
                "SELECT * FROM auth.upstream_session ORDER BY 1",
                "SELECT * FROM auth.upstream_offer ORDER BY 1",
                "SELECT session_id, ended_at FROM auth.session ORDER BY 1",
                "SELECT sign_in_hash FROM auth.sign_in ORDER BY 1",
                "SELECT count(*) FROM audit.queue",
            )
        ]
