"""What the person lets applications know and do."""

from collections.abc import Iterable
from typing import Final

from services.auth.pages.answers import Answer, Page, Redirect
from services.auth.pages.cookies import of_notice
from services.auth.pages.desk import Desk
from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.visits import Visit

HERE: Final = "/account/applications"


class ApplicationPages:
    """Consents that were given."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk
        self._consents = desk.provider.consents

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            get(HERE, self.show, Access.SIGNED_IN),
            post(f"{HERE}/revoke", self.revoke, Access.SIGNED_IN),
        )

    async def show(self, visit: Visit) -> Answer:
        """All of them."""
        consents = await self._consents.of(visit.person)
        return Page("applications.html", {"me": await self._desk.me(visit), "consents": consents})

    async def revoke(self, visit: Visit) -> Answer:
        """An application gets nothing any more."""
        await self._consents.revoke(visit.person, visit.field("client_id"))
        return Redirect(HERE, (of_notice("consent_revoked"),))
