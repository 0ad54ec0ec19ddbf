"""How people come: an invitation, a sign-up, the first owner's set-up. A link's page shows a form, which spends it."""

from collections.abc import Iterable
from typing import Final

from services.auth.pages.answers import Answer, Page
from services.auth.pages.cookies import of_notice
from services.auth.pages.desk import SAID_ON_THE_FORM, Desk
from services.auth.pages.routes import Route, get, post
from services.auth.pages.visits import Visit
from services.auth.records.people import Purpose
from shared.errors import NotAuthorizedError, PublicError

COMING: Final[dict[str, Purpose]] = {
    "/invitation": "invitation",
    "/verification": "verification",
    "/setup": "setup",
}
FIRST_STEP: Final = "/account/sign-in"


class ComingPages:
    """For people who have no account yet."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk
        self._registration = desk.people.registration

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        links = [route for path in COMING for route in (get(path, self.show), post(path, self.accept))]
        return (get("/sign-up", self.show_sign_up), post("/sign-up", self.sign_up), *links)

    async def show(self, visit: Visit) -> Answer:
        """Name and password."""
        return await self._form(visit, visit.asked("code"))

    async def accept(self, visit: Visit) -> Answer:
        """The account is there, and its person signed in; what protects it is shown next."""
        try:
            new = await self._registration.accept(
                visit.field("code"),
                COMING[visit.path],
                display_name=visit.field("display_name"),
                password=visit.field("password"),
                locale=visit.locale,
                source=visit.source,
            )
        except SAID_ON_THE_FORM as error:
            return await self._form(visit, visit.field("code"), error)
        return await self._desk.welcome(visit, new, FIRST_STEP, of_notice("welcome"))

    async def show_sign_up(self, visit: Visit) -> Answer:
        """The address."""
        return self._sign_up_form(visit)

    async def sign_up(self, visit: Visit) -> Answer:
        """A message goes out, whether or not there is such an account."""
        try:
            await self._registration.sign_up(visit.field("address"), visit.locale, visit.source)
        except SAID_ON_THE_FORM as error:
            return self._sign_up_form(visit, error)
        return Page("sent.html", {"about": "sign_up", "address": visit.field("address").strip()})

    def _sign_up_form(self, visit: Visit, refused: PublicError | None = None) -> Answer:
        if not self._registration.is_open:
            raise NotAuthorizedError("people come to this installation by invitation")
        return Page("sign_up.html", {"address": visit.field("address")}, refused)

    async def _form(self, visit: Visit, code: str, refused: PublicError | None = None) -> Answer:
        purpose = COMING[visit.path]
        person = await self._desk.people.links.look(code, purpose)
        shown = {
            "purpose": purpose,
            "code": code,
            "login_name": person.login_name,
            "display_name": visit.field("display_name") or person.display_name,
        }
        return Page("come.html", shown, refused)
