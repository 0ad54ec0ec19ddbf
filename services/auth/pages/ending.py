"""Where clients send people to sign out (OpenID Connect RP-Initiated Logout 1.0)."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final
from urllib.parse import urlencode

from authlib.oauth2.rfc6749 import OAuth2Error

from services.auth.pages import cookies
from services.auth.pages.answers import Answer, Page, Redirect
from services.auth.pages.authorization import call_of
from services.auth.pages.desk import Desk
from services.auth.pages.routes import Route, get, post
from services.auth.pages.visits import Visit
from services.auth.provider.ending import LogoutWish
from shared.errors import InvalidArgumentError, NotFoundError

END_SESSION: Final = "/oauth/end_session"


class EndingPages:
    """The end of a session for a client's sake."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (get(END_SESSION, self.end), post(END_SESSION, self.end_by_form, is_open=True))

    async def end(self, visit: Visit) -> Answer:
        """The session ends at once where an ID token of ours proves whose it is; else the person is asked."""
        try:
            wish = await self._desk.provider.endings.look(call_of(visit))
        except OAuth2Error as error:
            reason = str(error.description or error.error)
            return Page("client_refused.html", {"reason": reason}, InvalidArgumentError(reason))
        session = visit.session
        if session is None:
            return Redirect(wish.redirect_uri or "/sign-out")
        if wish.account_key != session.account_key:
            return Redirect("/sign-out")
        await self._end(visit, wish)
        gone = (cookies.gone(cookies.SESSION), cookies.gone(cookies.SIGN_IN))
        return Redirect(wish.redirect_uri or "/sign-out", gone)

    async def end_by_form(self, visit: Visit) -> Answer:
        """The same by POST, which other sites send: the browser comes again by GET, with its cookies."""
        pairs = [(name, value) for name, values in visit.form.items() for value in values]
        return Redirect(f"{END_SESSION}?{urlencode(pairs)}")

    async def _end(self, visit: Visit, wish: LogoutWish) -> None:
        sessions = self._desk.people.sessions
        for session_id in {visit.signed_in.session_id, wish.session_id or visit.signed_in.session_id}:
            with suppress(NotFoundError):  # it has ended before
                await sessions.end(visit.person, session_id)
