"""A person's passkeys: added by a script that talks to the authenticator, named, removed."""

from collections.abc import Iterable

from services.auth.pages.answers import Answer, Page, Redirect
from services.auth.pages.cookies import of_notice
from services.auth.pages.credentials import credential_of
from services.auth.pages.desk import SAID_ON_THE_FORM, Desk, challenge
from services.auth.pages.factors import OVERVIEW
from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.visits import Visit
from services.auth.records.factors import PasskeyView
from services.auth.rules.programs import program_name
from shared.errors import ExpiredError, NotFoundError, PublicError


class PasskeyPages:
    """Passkeys."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk
        self._passkeys = desk.people.passkeys

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            get("/account/passkeys/add", self.show_add, Access.FRESH),
            post("/account/passkeys/add", self.add, Access.FRESH),
            post("/account/passkeys/add/options", self.options, Access.FRESH),
            get("/account/passkey", self.show, Access.SIGNED_IN),
            post("/account/passkey", self.rename, Access.SIGNED_IN),
            get("/account/passkey/remove", self.show_remove, Access.FRESH),
            post("/account/passkey/remove", self.remove, Access.FRESH),
        )

    async def show_add(self, visit: Visit) -> Answer:
        """A name for the new one, which is made by a button."""
        return await self._form(visit)

    async def options(self, visit: Visit) -> Answer:
        """What the authenticator is asked."""
        return challenge(await self._passkeys.begin(visit.signed_in))

    async def add(self, visit: Visit) -> Answer:
        """It is kept; the first second factor comes with recovery codes."""
        session = visit.signed_in
        had_any = (await self._desk.me(visit)).factors.has_any
        try:
            answered = credential_of(visit.field("credential"))
            await self._passkeys.add(session, visit.field("token"), visit.field("name"), answered)
        except (*SAID_ON_THE_FORM, ExpiredError) as error:
            return await self._form(visit, error)
        if had_any:
            return Redirect(OVERVIEW, (of_notice("passkey_added"),))
        codes = await self._desk.people.factors.renew_recovery_codes(session.account_key, session.session_id)
        return Page("recovery_codes_shown.html", {"me": await self._desk.me(visit), "codes": codes})

    async def show(self, visit: Visit) -> Answer:
        """One of them."""
        return await self._one(visit, "passkey.html", visit.asked("passkey"))

    async def rename(self, visit: Visit) -> Answer:
        """Another name."""
        try:
            await self._passkeys.rename(visit.person, visit.field("passkey"), visit.field("name"))
        except SAID_ON_THE_FORM as error:
            return await self._one(visit, "passkey.html", visit.field("passkey"), error)
        return Redirect(OVERVIEW, (of_notice("saved"),))

    async def show_remove(self, visit: Visit) -> Answer:
        """Is it meant."""
        return await self._one(visit, "passkey_remove.html", visit.asked("passkey"))

    async def remove(self, visit: Visit) -> Answer:
        """It opens nothing any more."""
        await self._passkeys.remove(visit.person, visit.field("passkey"))
        return Redirect(OVERVIEW, (of_notice("passkey_removed"),))

    async def _form(self, visit: Visit, refused: PublicError | None = None) -> Answer:
        suggested = program_name(visit.source.user_agent)
        shown = {"me": await self._desk.me(visit), "name": visit.field("name") or suggested}
        return Page("passkey_add.html", shown, refused)

    async def _one(self, visit: Visit, template: str, passkey: str, refused: PublicError | None = None) -> Answer:
        me = await self._desk.me(visit)
        return Page(template, {"me": me, "passkey": _of(me.factors.passkeys, passkey)}, refused)


def _of(passkeys: list[PasskeyView], passkey: str) -> PasskeyView:
    found = next((each for each in passkeys if each.passkey == passkey), None)
    if found is None:
        raise NotFoundError("you have no such passkey")
    return found
