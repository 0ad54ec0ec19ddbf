"""Where a person is signed in, and an end to it."""

from collections.abc import Iterable

from services.auth.pages.answers import Answer, Page, Redirect
from services.auth.pages.cookies import of_notice
from services.auth.pages.desk import Desk
from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.visits import Visit
from services.auth.records.sessions import EndSession, EndSessions, SessionList
from shared.errors import NotFoundError
from shared.procedures import NoArguments


class SessionPages:
    """Sessions."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            get("/account/sessions", self.show, Access.SIGNED_IN),
            post("/account/sessions/end", self.end, Access.SIGNED_IN),
            post("/account/sessions/end-others", self.end_others, Access.SIGNED_IN),
        )

    async def show(self, visit: Visit) -> Answer:
        """All that are alive, this one first."""
        found: SessionList = await self._desk.own.session_list(visit.person, NoArguments())
        ordered = sorted(found.sessions, key=lambda each: not each.is_this)
        return Page("sessions.html", {"me": await self._desk.me(visit), "sessions": ordered})

    async def end(self, visit: Visit) -> Answer:
        """One of them; one that has ended meanwhile is what was wanted."""
        try:
            await self._desk.own.session_end(visit.person, EndSession(visit.field("session")))
        except NotFoundError:
            return Redirect("/account/sessions")
        return Redirect("/account/sessions", (of_notice("session_ended"),))

    async def end_others(self, visit: Visit) -> Answer:
        """All but this one."""
        await self._desk.own.session_end_all(visit.person, EndSessions(but_this=True))
        return Redirect("/account/sessions", (of_notice("sessions_ended"),))
