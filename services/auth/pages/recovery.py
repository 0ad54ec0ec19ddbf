"""A forgotten password: a message with a link, and another password."""

from collections.abc import Iterable

from services.auth.pages import cookies
from services.auth.pages.answers import Answer, Page, Redirect
from services.auth.pages.desk import SAID_ON_THE_FORM, Desk
from services.auth.pages.routes import Route, get, post
from services.auth.pages.visits import Visit
from shared.errors import PublicError


class RecoveryPages:
    """For people who cannot sign in."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk
        self._changes = desk.people.changes

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            get("/recovery", self.show_ask),
            post("/recovery", self.ask),
            get("/reset", self.show_reset),
            post("/reset", self.reset),
        )

    async def show_ask(self, visit: Visit) -> Answer:
        """The address."""
        return Page("recovery.html", {"address": visit.field("address")})

    async def ask(self, visit: Visit) -> Answer:
        """A message goes out, if there is such an account; the page is the same if there is not."""
        try:
            await self._changes.ask_reset(visit.field("address"), visit.source)
        except SAID_ON_THE_FORM as error:
            return Page("recovery.html", {"address": visit.field("address")}, error)
        return Page("sent.html", {"about": "reset", "address": visit.field("address").strip()})

    async def show_reset(self, visit: Visit) -> Answer:
        """Another password."""
        return await self._form(visit.asked("code"))

    async def reset(self, visit: Visit) -> Answer:
        """It is changed; every session has ended, so the next thing is to sign in."""
        try:
            await self._changes.reset(visit.field("code"), visit.field("password"))
        except SAID_ON_THE_FORM as error:
            return await self._form(visit.field("code"), error)
        return Redirect("/sign-in", (cookies.gone(cookies.SESSION), cookies.of_notice("reset")))

    async def _form(self, code: str, refused: PublicError | None = None) -> Answer:
        person = await self._desk.people.links.look(code, "reset")
        return Page("reset.html", {"code": code, "login_name": person.login_name}, refused)
