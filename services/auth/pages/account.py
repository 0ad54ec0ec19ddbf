"""The account of who is signed in: name, language, address, password."""

from collections.abc import Iterable
from typing import Final

from services.auth.pages.answers import Answer, Page, Redirect
from services.auth.pages.cookies import of_notice
from services.auth.pages.desk import SAID_ON_THE_FORM, Desk, language
from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.visits import Visit
from services.auth.records.people import Purpose, RenamePerson
from services.auth.rules.locales import DEFAULT, locale_of
from shared.errors import PublicError

CONFIRMING: Final[dict[str, Purpose]] = {"/old-address": "old_address", "/new-address": "new_address"}


class AccountPages:
    """How people are called and reached, and by which password they come."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk
        self._changes = desk.people.changes

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        ends = [route for path in CONFIRMING for route in (get(path, self.show_end), post(path, self.confirm_end))]
        return (
            get("/account", self.show, Access.SIGNED_IN),
            post("/account", self.rename, Access.SIGNED_IN),
            get("/account/address", self.show_address, Access.FRESH),
            post("/account/address", self.ask_address, Access.FRESH),
            get("/account/password", self.show_password, Access.FRESH),
            post("/account/password", self.change_password, Access.FRESH),
            *ends,
        )

    async def show(self, visit: Visit) -> Answer:
        """Name, language, address."""
        return await self._account(visit)

    async def rename(self, visit: Visit) -> Answer:
        """Another name, another language."""
        locale = locale_of(visit.field("locale")) or DEFAULT
        try:
            await self._desk.own.account_rename(visit.person, RenamePerson(visit.field("display_name"), locale))
        except SAID_ON_THE_FORM as error:
            return await self._account(visit, error)
        return Redirect("/account", (language(locale), of_notice("saved")))

    async def show_address(self, visit: Visit) -> Answer:
        """Another address."""
        return await self._form(visit, "address.html")

    async def ask_address(self, visit: Visit) -> Answer:
        """Messages go to both ends."""
        try:
            await self._changes.ask_address(visit.signed_in, visit.field("address"))
        except SAID_ON_THE_FORM as error:
            return await self._form(visit, "address.html", error)
        return Redirect("/account", (of_notice("address_asked"),))

    async def show_end(self, visit: Visit) -> Answer:
        """One end of a change of address, which a button confirms."""
        person = await self._desk.people.links.look(visit.asked("code"), CONFIRMING[visit.path])
        return Page("confirm_address.html", {"code": visit.asked("code"), "login_name": person.login_name})

    async def confirm_end(self, visit: Visit) -> Answer:
        """It is confirmed; the change is made once both are."""
        is_changed = await self._changes.confirm_address(visit.field("code"), CONFIRMING[visit.path])
        return Page("address_confirmed.html", {"is_changed": is_changed})

    async def show_password(self, visit: Visit) -> Answer:
        """Another password."""
        return await self._form(visit, "password.html")

    async def change_password(self, visit: Visit) -> Answer:
        """It is changed; every other session has ended."""
        try:
            await self._changes.change_password(visit.signed_in, visit.field("password"))
        except SAID_ON_THE_FORM as error:
            return await self._form(visit, "password.html", error)
        return Redirect("/account/sign-in", (of_notice("password"),))

    async def _account(self, visit: Visit, refused: PublicError | None = None) -> Answer:
        me = await self._desk.me(visit)
        name = visit.field("display_name") or me.display_name
        return Page("account.html", {"me": me, "display_name": name}, refused)

    async def _form(self, visit: Visit, template: str, refused: PublicError | None = None) -> Answer:
        me = await self._desk.me(visit)
        return Page(template, {"me": me, "address": visit.field("address")}, refused)
