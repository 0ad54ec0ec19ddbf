"""Showing again who one is, before something that matters."""

from collections.abc import Iterable

from services.auth.pages.answers import Answer, Page, onward
from services.auth.pages.cookies import of_session
from services.auth.pages.credentials import credential_of
from services.auth.pages.desk import SAID_ON_THE_FORM, Desk, challenge
from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.sign_in import chosen_method
from services.auth.pages.visits import Visit
from services.auth.records.sessions import NewSession
from shared.errors import ExpiredError, PublicError


class StepUpPages:
    """The second factor once more; the password, where there is none."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk
        self._again = desk.people.reauthentication

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            get("/step-up", self.show, Access.SIGNED_IN),
            post("/step-up", self.with_typed, Access.SIGNED_IN),
            post("/step-up/passkey/options", self.passkey_options, Access.SIGNED_IN),
            post("/step-up/passkey", self.with_passkey, Access.SIGNED_IN),
        )

    async def show(self, visit: Visit) -> Answer:
        """The form."""
        return await self._form(visit)

    async def with_typed(self, visit: Visit) -> Answer:
        """By a code, or by the password."""
        session, method = visit.signed_in, visit.field("with")
        try:
            if method in ("totp", "recovery"):
                code = visit.field("code")
                new = await self._again.with_code(
                    session, "recovery" if method == "recovery" else "totp", code, visit.source
                )
            else:
                new = await self._again.with_password(session, visit.field("password"), visit.source)
        except SAID_ON_THE_FORM as error:
            return await self._form(visit, error)
        return self._done(visit, new)

    async def passkey_options(self, visit: Visit) -> Answer:
        """What the authenticator is asked."""
        return challenge(await self._again.passkey_options(visit.signed_in))

    async def with_passkey(self, visit: Visit) -> Answer:
        """By a passkey."""
        try:
            answered = credential_of(visit.field("credential"))
            new = await self._again.with_passkey(visit.signed_in, visit.field("token"), answered, visit.source)
        except (*SAID_ON_THE_FORM, ExpiredError) as error:
            return await self._form(visit, error)
        return self._done(visit, new)

    def _done(self, visit: Visit, new: NewSession) -> Answer:
        return onward(visit.return_to, *of_session(new))

    async def _form(self, visit: Visit, refused: PublicError | None = None) -> Answer:
        me = await self._desk.me(visit)
        methods = await self._desk.people.sign_in.methods(visit.signed_in.account_key)
        shown = chosen_method(methods, visit.field("with") or visit.asked("with")) if methods else "password"
        links = await self._desk.upstream.linking.of(visit.signed_in.account_key)
        return Page(
            "step_up.html",
            {
                "methods": methods,
                "shown": shown,
                "login_name": me.login_name,
                "has_password": me.has_password,
                "linked": {link.provider for link in links},
                "return_to": visit.return_to,
                "action": "/step-up",
            },
            refused,
        )
