"""Signing in: a password, then a second factor where there is one; or a passkey alone."""

from collections.abc import Iterable
from typing import Literal
from urllib.parse import urlencode

from services.auth.pages import cookies
from services.auth.pages.answers import Answer, Page, Redirect
from services.auth.pages.credentials import credential_of
from services.auth.pages.desk import SAID_ON_THE_FORM, Desk, challenge
from services.auth.pages.routes import Route, get, post
from services.auth.pages.visits import Visit
from services.auth.records.sessions import NeedsFactor, SignedIn
from services.auth.rules.return_to import leads_to_client
from shared.errors import ExpiredError, PublicError


class SignInPages:
    """The ways in."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk
        self._sign_in = desk.people.sign_in

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            get("/", self.home),
            get("/sign-in", self.show),
            post("/sign-in", self.with_password),
            post("/sign-in/passkey/options", self.passkey_options),
            post("/sign-in/passkey", self.with_passkey),
            get("/sign-in/second-factor", self.show_factor),
            post("/sign-in/second-factor", self.with_code),
            post("/sign-in/second-factor/passkey/options", self.factor_options),
            post("/sign-in/second-factor/passkey", self.with_second_passkey),
        )

    async def home(self, visit: Visit) -> Answer:
        """Nothing to see here: to the account, or to the sign-in."""
        return Redirect("/sign-in" if visit.session is None else "/account")

    async def show(self, visit: Visit) -> Answer:
        """The form. Who is signed in and is asked by a client to sign in again only shows that they are still there."""
        if visit.session is not None and not visit.asked("other"):
            if leads_to_client(visit.return_to):
                return Redirect(f"/step-up?{urlencode({'return_to': visit.return_to})}")
            return Redirect(visit.return_to)
        return self._form(visit)

    async def with_password(self, visit: Visit) -> Answer:
        """The first step, or the only one."""
        try:
            step = await self._sign_in.with_password(
                visit.field("login_name"), visit.field("password"), visit.source, browser=visit.browser
            )
        except SAID_ON_THE_FORM as error:
            return self._form(visit, error)
        if isinstance(step, NeedsFactor):
            asked = urlencode({"return_to": visit.return_to})
            return Redirect(f"/sign-in/second-factor?{asked}", (cookies.of_sign_in(step.token),))
        return await self._done(visit, step)

    async def passkey_options(self, visit: Visit) -> Answer:  # noqa: ARG002 - whoever asks
        """What the authenticator is asked, where nobody has said yet who they are."""
        return challenge(await self._sign_in.passkey_options(None))

    async def with_passkey(self, visit: Visit) -> Answer:
        """A passkey alone."""
        try:
            done = await self._sign_in.with_passkey(
                visit.field("token"), credential_of(visit.field("credential")), visit.source, browser=visit.browser
            )
        except (*SAID_ON_THE_FORM, ExpiredError) as error:
            return self._form(visit, error)
        return await self._done(visit, done)

    async def show_factor(self, visit: Visit) -> Answer:
        """What the second step wants."""
        return await self._factor(visit)

    async def with_code(self, visit: Visit) -> Answer:
        """The second step by a code."""
        code = visit.field("code")
        spend = self._sign_in.with_recovery_code if visit.field("with") == "recovery" else self._sign_in.with_totp
        try:
            done = await spend(visit.sign_in, code, visit.source, browser=visit.browser)
        except SAID_ON_THE_FORM as error:
            return await self._factor(visit, error)
        except ExpiredError as error:
            return self._form(visit, error)
        return await self._done(visit, done)

    async def factor_options(self, visit: Visit) -> Answer:
        """What the authenticator is asked, as the second step."""
        return challenge(await self._sign_in.passkey_options(visit.sign_in))

    async def with_second_passkey(self, visit: Visit) -> Answer:
        """The second step by a passkey."""
        try:
            done = await self._sign_in.with_passkey(
                visit.sign_in, credential_of(visit.field("credential")), visit.source, browser=visit.browser
            )
        except SAID_ON_THE_FORM as error:
            return await self._factor(visit, error)
        except ExpiredError as error:
            return self._form(visit, error)
        return await self._done(visit, done)

    async def _done(self, visit: Visit, done: SignedIn) -> Answer:
        return await self._desk.welcome(visit, done.new, visit.return_to)

    async def _factor(self, visit: Visit, refused: PublicError | None = None) -> Answer:
        try:
            methods = await self._sign_in.waiting_for(visit.sign_in)
        except ExpiredError as error:
            return self._form(visit, refused or error)
        chosen = visit.field("with") or visit.asked("with")
        shown = chosen_method(methods, chosen)
        return Page(
            "second_factor.html",
            {"methods": methods, "shown": shown, "return_to": visit.return_to, "action": "/sign-in/second-factor"},
            refused,
        )

    def _form(self, visit: Visit, refused: PublicError | None = None) -> Answer:
        shown = {"return_to": visit.return_to, "login_name": visit.field("login_name")}
        return Page("sign_in.html", shown, refused)


def chosen_method(methods: tuple[str, ...], chosen: str) -> Literal["totp", "recovery", "passkey"]:
    """What a second step asks for first: what was chosen, if it is there, else the easiest."""
    for method in (chosen, "passkey", "totp"):
        if method in methods and method in ("totp", "recovery", "passkey"):
            return method  # type: ignore[return-value]  # it is one of the three
    return "recovery"
