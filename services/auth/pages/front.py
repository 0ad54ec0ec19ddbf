"""The front of the site: finds the page, who asks, and whether they may; turns what the page answers into a reply.

(1) The page is found by method and path, exactly. (2) Query, form and cookies are read; what is malformed is refused.
(3) The session is found. (4) A form must be ours, from this browser, before anything it says is done. (5) Pages for
people who are signed in send others to the sign-in; what needs a fresh factor sends to the step-up; both come back.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlencode

import structlog
from attrs import evolve, field, frozen

from services.auth.pages import cookies
from services.auth.pages.answers import Answer, Document, Page, Redirect
from services.auth.pages.cookies import Cookie
from services.auth.pages.refusals import MethodNotAllowedError, NoPageError, NotOurFormError, status_of
from services.auth.pages.rendering import Rendering
from services.auth.pages.routes import Access, Route, pattern_of
from services.auth.pages.visits import Asked, Fields, Visit, fields_of, form_of
from services.auth.rules.forgery import is_own
from services.auth.rules.locales import locale_of, preferred_locale
from services.auth.rules.places import place_of
from services.auth.rules.return_to import HOME
from services.auth.sessions import TOKEN_OCTETS, Sessions, source
from services.auth.step_up import StepUp
from shared import tracing
from shared.errors import InternalError, OutcomeUnknownError, OverLimitError, PublicError

MAX_TIME_S: Final = 20.0
MAX_AT_ONCE: Final = 8
"""Forms that one place may have under way: an eighth of the passwords that may wait to be compared."""

log = structlog.get_logger()


@frozen
class Reply:
    """What goes out."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


class Front:
    """Every page, behind one door."""

    def __init__(
        self, routes: Iterable[Route], sessions: Sessions, step_up: StepUp, rendering: Rendering, *, origin: str
    ) -> None:
        """Serve `routes` at `origin`."""
        self.routes: dict[tuple[str, str], Route] = {(route.method, route.path): route for route in routes}
        self._sessions = sessions
        self._step_up = step_up
        self._rendering = rendering
        self.files = rendering.files
        self._origin = origin
        self._under_way: Counter[str] = Counter()

    async def reply(self, asked: Asked) -> Reply:
        """The reply, whatever happens."""
        with tracing.request(asked.method) as doing:
            reply = await self._reply(asked)
            doing.answered(reply.status)
            return reply

    async def _reply(self, asked: Asked) -> Reply:
        visit = self._visit(asked)
        try:
            async with asyncio.timeout(MAX_TIME_S):
                route = self._route(asked)
                visit = await self._known(asked, visit)
                answer = await self._answer(route, asked, visit)
        except PublicError as error:
            log.info("page_refused", path=asked.path, code=error.code)
            answer = Page("refused.html", refused=error)
        except TimeoutError:
            log.warning("page_timed_out", path=asked.path)
            answer = Page("refused.html", refused=OutcomeUnknownError("this took too long"))
        except Exception:
            incident = secrets.token_hex(8)
            log.exception("page_failed", path=asked.path, incident=incident)
            answer = Page("refused.html", refused=InternalError("something went wrong here", incident=incident))
        return self._written(visit, answer)

    def _visit(self, asked: Asked) -> Visit:
        """The visitor as far as nothing has been looked up."""
        chosen = locale_of(asked.cookies.get(cookies.LANGUAGE))
        has_form = bool(asked.cookies.get(cookies.FORM))
        return Visit(
            path=asked.path,
            query={},
            form={},
            cookies=asked.cookies,
            source=source(asked.address, asked.headers.get("user-agent", "")),
            locale=chosen or preferred_locale(asked.headers.get("accept-language", "")),
            session=None,
            fresh_form_cookie=None if has_form else secrets.token_urlsafe(TOKEN_OCTETS),
        )

    def _route(self, asked: Asked) -> Route:
        method = "GET" if asked.method == "HEAD" else asked.method
        route = self.routes.get((method, pattern_of(asked.path)))
        if route is not None:
            tracing.routed(asked.method, route.path)
            return route
        if self._methods(asked.path):
            raise MethodNotAllowedError("this page is not asked for in this way")
        raise NoPageError("there is no such page")

    def _methods(self, path: str) -> list[str]:
        """How the page is asked for (RFC 9110 section 10.2.1); none where there is no such page."""
        there = [method for method in ("GET", "POST") if (method, pattern_of(path)) in self.routes]
        return ["HEAD", *there] if "GET" in there else there

    async def _known(self, asked: Asked, visit: Visit) -> Visit:
        query: Fields = fields_of(asked.query)
        cookie = asked.cookies.get(cookies.SESSION, "")
        session = await self._sessions.find(cookie, visit.source) if cookie else None
        return evolve(visit, query=query, form=form_of(asked), session=session)

    async def _answer(self, route: Route, asked: Asked, visit: Visit) -> Answer:
        if route.access is not Access.ANYBODY and visit.session is None:
            return Redirect(f"/sign-in?{urlencode({'return_to': self._here(visit, else_to=HOME)})}")
        if route.method == "POST" and not route.is_open:
            self._require_own(asked, visit)
            with self._counted(place_of(asked.address)):
                return await self._rendered(route, visit)
        return await self._rendered(route, visit)

    async def _rendered(self, route: Route, visit: Visit) -> Answer:
        if route.access is Access.FRESH and not await self._step_up.is_fresh(visit.signed_in):
            return Redirect(f"/step-up?{urlencode({'return_to': self._here(visit, else_to=HOME)})}")
        return await route.render(visit)

    @contextmanager
    def _counted(self, place: str) -> Iterator[None]:
        """One more form of `place` under way, so that nobody alone takes every turn of all others.

        Raises:
            OverLimitError: There are too many already.
        """
        if self._under_way[place] >= MAX_AT_ONCE:
            raise OverLimitError("too many forms at once; try again shortly", retry_after_s=1)
        self._under_way[place] += 1
        try:
            yield
        finally:
            self._under_way[place] -= 1
            if not self._under_way[place]:
                del self._under_way[place]

    def _here(self, visit: Visit, *, else_to: str) -> str:
        """The page to look at that belongs to what was asked for."""
        if ("GET", visit.path) not in self.routes:
            return else_to
        query = urlencode([(name, value) for name, values in visit.query.items() for value in values])
        return f"{visit.path}?{query}" if query else visit.path

    def _require_own(self, asked: Asked, visit: Visit) -> None:
        came_from = is_own(
            fetch_site=asked.headers.get("sec-fetch-site"), origin=asked.headers.get("origin"), own_origin=self._origin
        )
        if not came_from or not visit.is_ours():
            raise NotOurFormError("this form was not sent by a page of this site, or is too old")

    def _written(self, visit: Visit, answer: Answer) -> Reply:
        if isinstance(answer, Redirect):
            return Reply(303, (("location", answer.to), *_set(answer.cookies)), b"")
        if isinstance(answer, Document):
            saved = (("content-disposition", f'attachment; filename="{answer.filename}"'),) if answer.filename else ()
            return Reply(200, (("content-type", answer.content_type), *saved), answer.content)
        headers = [("content-type", "text/html; charset=utf-8"), ("content-language", visit.locale)]
        if isinstance(answer.refused, MethodNotAllowedError):
            headers.append(("allow", ", ".join(self._methods(visit.path))))
        if isinstance(answer.refused, OverLimitError):
            headers.append(("retry-after", str(answer.refused.details().get("retry_after_s", 60))))
        body = self._rendering.render(visit, answer, here=self._here(visit, else_to="/"))
        status = 200 if answer.refused is None else status_of(answer.refused)
        return Reply(status, (*headers, *_set((*answer.cookies, *_own_cookies(visit)))), body)


def _own_cookies(visit: Visit) -> tuple[Cookie, ...]:
    """What every page gives: a cookie for its forms, and an end to what it has just said."""
    fresh = visit.fresh_form_cookie
    form = (cookies.of_form(fresh),) if fresh is not None and visit.session is None else ()
    said = (cookies.gone(cookies.NOTICE),) if cookies.NOTICE in visit.cookies else ()
    return (*form, *said)


def _set(given: Iterable[Cookie]) -> tuple[tuple[str, str], ...]:
    return tuple(("set-cookie", cookie.header()) for cookie in given)
