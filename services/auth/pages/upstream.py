"""Other providers: to them and back, what is linked with them, what they are asked before something that matters.

A form sends the browser on, by a page of ours; the provider sends it back by GET, to a path that names the provider.
What came of it is shown at another address, so that nothing of the answer stays in the browser's.
"""

import secrets
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode

from services.auth.pages import cookies
from services.auth.pages.answers import Answer, Page, Redirect
from services.auth.pages.cookies import of_notice, of_session
from services.auth.pages.desk import SAID_ON_THE_FORM, Desk
from services.auth.pages.refusals import NoPageError
from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.visits import Visit
from services.auth.records.sessions import NeedsFactor
from services.auth.records.upstream import Identity, Purpose, UpstreamProvider, UpstreamRequest
from services.auth.rules.upstream import BECAUSES
from services.auth.sessions import TOKEN_OCTETS
from services.auth.upstream.coming import Arrival, Offered
from services.auth.upstream.requests import Answer as Returned
from services.auth.upstream.requests import refusal
from shared.errors import FactorRejectedError, PublicError, SignInRefusedError

OVERVIEW: Final = "/account/sign-in"
CONFIRM: Final = "/account/providers/confirm"
REFUSED: Final = "/sign-in/refused"


class UpstreamPages:
    """The ways by other providers."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk
        self._upstream = desk.upstream

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            post("/upstream/<name>", self.begin),
            get("/upstream/<name>/callback", self.come_back),
            get(REFUSED, self.show_refused),
            post("/step-up/provider", self.begin_step_up, Access.SIGNED_IN),
            get("/account/providers/link", self.show_link, Access.FRESH),
            post("/account/providers/link", self.begin_link, Access.FRESH),
            get("/account/providers/unlink", self.show_unlink, Access.FRESH),
            post("/account/providers/unlink", self.unlink, Access.FRESH),
            get(CONFIRM, self.show_confirm, Access.FRESH),
            post(CONFIRM, self.confirm, Access.FRESH),
        )

    async def begin(self, visit: Visit) -> Answer:
        """To the provider, to sign in."""
        return await self._begin(visit, visit.path.split("/")[2], "sign_in", visit.return_to)

    async def begin_step_up(self, visit: Visit) -> Answer:
        """To the provider, to show again who one is."""
        return await self._begin(visit, visit.field("provider"), "step_up", visit.return_to)

    async def show_link(self, visit: Visit) -> Answer:
        """Is it meant."""
        return Page("provider_link.html", {"provider": self._provider(visit.asked("provider"))})

    async def begin_link(self, visit: Visit) -> Answer:
        """To the provider, to link an account there."""
        return await self._begin(visit, visit.field("provider"), "link", OVERVIEW)

    async def come_back(self, visit: Visit) -> Answer:
        """Whom the provider has sent back."""
        name = visit.path.split("/")[2]
        try:
            returned = Returned(*(visit.asked(each) for each in ("state", "code", "iss", "error")))
            request, identity = await self._upstream.requests.answered(name, returned, browser=_browser(visit))
            return await self._done(visit, request, identity)
        except (SignInRefusedError, FactorRejectedError) as error:
            because = error.details().get("reason", "expired")
            return Redirect(f"{REFUSED}?{urlencode({'because': because})}", (cookies.gone(cookies.UPSTREAM),))

    async def show_refused(self, visit: Visit) -> Answer:
        """Why nobody came in."""
        for because in BECAUSES:
            if because == visit.asked("because"):
                return Page("refused.html", refused=refusal(because))
        raise NoPageError("there is no such page")

    async def show_confirm(self, visit: Visit) -> Answer:
        """A link waits: is it meant."""
        return await self._confirm(visit)

    async def confirm(self, visit: Visit) -> Answer:
        """It is linked."""
        try:
            await self._upstream.linking.confirm(visit.signed_in, _browser(visit))
        except SAID_ON_THE_FORM as error:
            return await self._confirm(visit, error)
        return Redirect(OVERVIEW, (of_notice("linked"), cookies.gone(cookies.UPSTREAM)))

    async def show_unlink(self, visit: Visit) -> Answer:
        """Is it meant."""
        return self._unlink(visit)

    async def unlink(self, visit: Visit) -> Answer:
        """It is no longer linked."""
        try:
            await self._upstream.linking.unlink(visit.person, visit.field("provider"))
        except SAID_ON_THE_FORM as error:
            return self._unlink(visit, error)
        return Redirect(OVERVIEW, (of_notice("unlinked"),))

    async def _begin(self, visit: Visit, name: str, purpose: Purpose, return_to: str) -> Answer:
        browser = _browser(visit) or secrets.token_urlsafe(TOKEN_OCTETS)
        session_id = None if purpose == "sign_in" else visit.signed_in.session_id
        try:
            uri = await self._upstream.requests.begin(
                name, purpose, browser=browser, return_to=return_to, session_id=session_id
            )
        except SignInRefusedError as error:
            return Page("refused.html", refused=error)
        return Page("onward.html", {"to": uri}, cookies=(cookies.of_upstream(browser),))

    async def _done(self, visit: Visit, request: UpstreamRequest, identity: Identity) -> Answer:
        """What the request was for."""
        if request.purpose == "sign_in":
            return await self._signed_in(visit, request, identity)
        if visit.session is None or visit.session.session_id != request.session_id:
            raise refusal("expired")
        if request.purpose == "link":
            await self._upstream.linking.link(visit.session, identity)
            return Redirect(request.return_to, (of_notice("linked"),))
        new = await self._upstream.coming.show_again(visit.session, request, identity, visit.source)
        return Redirect(request.return_to, of_session(new))

    async def _signed_in(self, visit: Visit, request: UpstreamRequest, identity: Identity) -> Answer:
        arrival = Arrival(visit.source, visit.browser, visit.locale)
        step = await self._upstream.coming.come(identity, arrival)
        if isinstance(step, Offered):
            await self._desk.leave(visit)
            gone = cookies.gone(cookies.SESSION)
            return Redirect(CONFIRM, (gone, of_notice("link_first"), cookies.of_upstream(step.token)))
        if isinstance(step, NeedsFactor):
            to = f"/sign-in/second-factor?{urlencode({'return_to': request.return_to})}"
            return Redirect(to, (cookies.of_sign_in(step.token),))
        return await self._desk.welcome(visit, step.new, request.return_to)

    async def _confirm(self, visit: Visit, refused: PublicError | None = None) -> Answer:
        offer = await self._upstream.linking.offered(_browser(visit), visit.signed_in.account_key)
        shown = {"provider": self._provider(offer.provider), "me": await self._desk.me(visit)}
        return Page("provider_confirm.html", shown, refused)

    def _unlink(self, visit: Visit, refused: PublicError | None = None) -> Answer:
        name = visit.field("provider") or visit.asked("provider")
        found = self._upstream.providers.get(name)
        title = name if found is None else found.title
        return Page("provider_unlink.html", {"name": name, "title": title}, refused)

    def _provider(self, name: str) -> UpstreamProvider:
        found = self._upstream.providers.get(name)
        if found is None:
            raise NoPageError("there is no such provider here")
        return found


def _browser(visit: Visit) -> str:
    """The token of the browser in which something is under way; empty where nothing is."""
    return visit.cookies.get(cookies.UPSTREAM, "")
