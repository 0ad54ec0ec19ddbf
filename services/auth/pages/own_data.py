"""What is kept of a person: a copy for them, and an end to it."""

from collections.abc import Iterable

import msgspec

from services.auth.pages import cookies
from services.auth.pages.answers import Answer, Document, Page
from services.auth.pages.desk import SAID_ON_THE_FORM, Desk
from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.visits import Visit
from services.auth.records.accounts import EraseAccount, Receipt
from services.auth.records.people import OwnData
from shared.errors import ConflictError, PublicError
from shared.procedures import NoArguments


class OwnDataPages:
    """Export and deletion."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            get("/account/data", self.show, Access.SIGNED_IN),
            get("/account/data/export", self.show_export, Access.FRESH),
            post("/account/data/export", self.export, Access.FRESH),
            get("/account/data/delete", self.show_delete, Access.FRESH),
            post("/account/data/delete", self.delete, Access.FRESH),
        )

    async def show(self, visit: Visit) -> Answer:
        """Both."""
        return Page("data.html", {"me": await self._desk.me(visit)})

    async def show_export(self, visit: Visit) -> Answer:
        """What is in the copy."""
        return Page("export.html", {"me": await self._desk.me(visit)})

    async def export(self, visit: Visit) -> Answer:
        """The copy, as a file."""
        found: OwnData = await self._desk.own.account_export(visit.person, NoArguments())
        content = msgspec.json.format(msgspec.json.encode(found), indent=2)
        return Document(content, "application/json", f"ironflock-account-{visit.signed_in.account_key}.json")

    async def show_delete(self, visit: Visit) -> Answer:
        """What deletion means, and the login name to be typed."""
        return await self._form(visit)

    async def delete(self, visit: Visit) -> Answer:
        """Nothing is left of the person; the receipt is in this answer alone."""
        request = EraseAccount(visit.field("confirm"), with_projects=visit.field("with_projects") == "yes")
        try:
            receipt: Receipt = await self._desk.accounts.account_erase(visit.person, request)
        except SAID_ON_THE_FORM as error:
            return await self._form(visit, error)
        given = tuple(cookies.gone(name) for name in (cookies.SESSION, cookies.BROWSER, cookies.SIGN_IN))
        return Page("deleted.html", {"receipt": receipt}, cookies=given)

    async def _form(self, visit: Visit, refused: PublicError | None = None) -> Answer:
        me = await self._desk.me(visit)
        owns = isinstance(refused, ConflictError)
        return Page("delete.html", {"me": me, "owns_projects": owns, "confirm": visit.field("confirm")}, refused)
