"""Where clients send people to sign in, and where those say what a client may know and do."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode, urlsplit

from attrs import evolve

from services.auth.pages import cookies
from services.auth.pages.answers import Answer, Page, Redirect, onward
from services.auth.pages.desk import Desk
from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.visits import Visit, fields_of
from services.auth.provider.authorization import RefusedWishError, sent
from services.auth.provider.requests import Call
from services.auth.rules.openid import next_step
from services.auth.sessions import token_hash
from shared.errors import InvalidArgumentError

AUTHORIZE: Final = "/oauth/authorize"


class AuthorizationPages:
    """The authorization endpoint, and the consent."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk
        self._authorizations = desk.provider.authorizations
        self._consents = desk.provider.consents
        self._now = desk.now

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            get(AUTHORIZE, self.ask),
            post(AUTHORIZE, self.ask_by_form, is_open=True),
            get("/consent", self.show, Access.SIGNED_IN),
            post("/consent", self.decide, Access.SIGNED_IN),
        )

    async def ask(self, visit: Visit) -> Answer:
        """What the request needs next, or its answer."""
        call = call_of(visit)
        try:
            wish = await self._authorizations.look(call)
        except RefusedWishError as refused:
            return refusal(refused)
        mark = await self._authorizations.so_far(call)
        session = visit.session
        step = next_step(
            prompts=wish.prompts,
            max_age_s=wish.max_age_s,
            age_s=None if session is None else self._now() - session.authenticated_at.timestamp(),
            shown_since=mark.has_shown(browser_of(visit), session),
            is_granted=session is not None
            and await self._consents.covers(session.account_key, wish.client, wish.scopes),
            has_consented=mark.has_consented(session),
        )
        if step == "answer":
            return Redirect(await self._authorizations.answer(wish, visit.signed_in))
        if step == "consent":
            here = await self._authorizations.mark(call, mark)
            return Redirect(f"/consent?{urlencode({'return_to': here})}")
        if step in ("sign_in", "show_again"):
            here = await self._authorizations.mark(call, sent(browser_of(visit), session))
            page, fresh = "/sign-in" if step == "sign_in" else "/step-up", visit.fresh_form_cookie
            known = () if fresh is None else (cookies.of_form(fresh),)
            return Redirect(f"{page}?{urlencode({'return_to': here})}", known)
        return Redirect(self._authorizations.refuse(wish, step))

    async def ask_by_form(self, visit: Visit) -> Answer:
        """The same by POST, which other sites send: the browser comes again by GET, with its cookies."""
        pairs = [(name, value) for name, values in visit.form.items() for value in values]
        return Redirect(f"{AUTHORIZE}?{urlencode(pairs)}")

    async def show(self, visit: Visit) -> Answer:
        """Which client asks for what."""
        try:
            wish = await self._authorizations.look(asked_call(visit))
        except RefusedWishError as refused:
            return refusal(refused)
        me = await self._desk.me(visit)
        shown = {
            "client": wish.client.name,
            "scopes": wish.scopes,
            "place": urlsplit(wish.redirect_uri).netloc,
            "login_name": me.login_name,
            "return_to": visit.return_to,
        }
        return Page("consent.html", shown)

    async def decide(self, visit: Visit) -> Answer:
        """The person lets it, or does not."""
        call = asked_call(visit)
        try:
            wish = await self._authorizations.look(call)
        except RefusedWishError as refused:
            return refusal(refused)
        if visit.field("decision") != "allow":
            return elsewhere(self._authorizations.refuse(wish, "access_denied"))
        await self._consents.grant(visit.person, wish.client, wish.scopes)
        mark = evolve(await self._authorizations.so_far(call), consented_in=visit.signed_in.session_id)
        return onward(await self._authorizations.mark(call, mark))


def browser_of(visit: Visit) -> str:
    """Which browser it is, as long as it is open: by the cookie that its forms are bound to before a sign-in."""
    return token_hash(visit.cookies.get(cookies.FORM, "") or visit.fresh_form_cookie or "").hex()


def call_of(visit: Visit) -> Call:
    """The request as the provider takes it."""
    return Call("GET", visit.path, visit.query, "", visit.source)


def asked_call(visit: Visit) -> Call:
    """The request at the authorization endpoint that sent the browser here.

    Raises:
        InvalidArgumentError: None did.
    """
    path, _, query = visit.return_to.partition("?")
    if path != AUTHORIZE:
        raise InvalidArgumentError("no application has sent you here", argument="return_to")
    return Call("GET", path, fields_of(query), "", visit.source)


def refusal(refused: RefusedWishError) -> Answer:
    """A request that cannot be granted: told to the client, or to the person where it cannot be."""
    if refused.location:
        return elsewhere(refused.location)
    return Page("client_refused.html", {"reason": refused.reason}, InvalidArgumentError(refused.reason))


def elsewhere(location: str) -> Answer:
    """On to another site, by a page of ours: browsers hold `form-action` against every redirect after a form."""
    return Page("onward.html", {"to": location})
