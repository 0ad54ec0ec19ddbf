"""Signing out, and the language of the pages."""

from collections.abc import Iterable

from services.auth.pages import cookies
from services.auth.pages.answers import Answer, Page, Redirect
from services.auth.pages.desk import Desk, language
from services.auth.pages.routes import Route, get, post
from services.auth.pages.visits import Visit
from services.auth.rules.locales import DEFAULT, locale_of


class LeavingPages:
    """What every page links to."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            get("/sign-out", self.show),
            post("/sign-out", self.sign_out),
            get("/language", self.show_language),
            post("/language", self.choose_language),
        )

    async def show(self, visit: Visit) -> Answer:
        """A question, and a button."""
        if visit.session is None:
            return Page("signed_out.html")
        me = await self._desk.me(visit)
        return Page("sign_out.html", {"login_name": me.login_name})

    async def sign_out(self, visit: Visit) -> Answer:
        """The session ends, and all that lives from it."""
        await self._desk.leave(visit)
        return Redirect("/sign-out", (cookies.gone(cookies.SESSION), cookies.gone(cookies.SIGN_IN)))

    async def show_language(self, visit: Visit) -> Answer:
        """The choice."""
        return Page("language.html", {"back": visit.asked("back")})

    async def choose_language(self, visit: Visit) -> Answer:
        """This browser's pages speak it from now on."""
        chosen = locale_of(visit.field("locale")) or DEFAULT
        return Redirect(_page(visit.field("back")), (language(chosen),))


def _page(text: str) -> str:
    """A page of ours to go back to; the choice itself is no such page."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isascii() and text.isprintable()
    return text if is_path and "\\" not in text and " " not in text else "/"
