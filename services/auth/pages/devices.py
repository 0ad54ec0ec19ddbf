"""Where people let a device in that shows them a code (RFC 8628 section 3.3)."""

from collections.abc import Iterable
from urllib.parse import urlencode

from services.auth.pages.answers import Answer, Page, Redirect
from services.auth.pages.desk import SAID_ON_THE_FORM, Desk
from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.visits import Visit
from shared.errors import PublicError


class DevicePages:
    """A code is typed, what it opens is looked at, and only then decided."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk
        self._devices = desk.provider.devices

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            get("/device", self.show, Access.SIGNED_IN),
            post("/device", self.look, Access.SIGNED_IN),
            post("/device/decide", self.decide, Access.SIGNED_IN),
        )

    async def show(self, visit: Visit) -> Answer:
        """The form; a code in the address stands in it, and is not believed before it is looked at."""
        return self._form(visit.asked("user_code"))

    async def look(self, visit: Visit) -> Answer:
        """Which device it is, and what it asks for."""
        code = visit.field("user_code")
        try:
            waiting = await self._devices.find(visit.signed_in, code)
        except SAID_ON_THE_FORM as error:
            return self._form(code, error)
        me = await self._desk.me(visit)
        return Page("device_confirm.html", {"waiting": waiting, "login_name": me.login_name})

    async def decide(self, visit: Visit) -> Answer:
        """The device gets in, or does not.

        A program of the installation itself steps up by what its person has shown. So they show it before it gets in:
        otherwise it would be refused what it was let in for, however often they let it in.
        """
        is_allowed, code = visit.field("decision") == "allow", visit.field("user_code")
        try:
            if is_allowed and await self._is_too_old(visit, code):
                again = urlencode({"return_to": f"/device?{urlencode({'user_code': code})}"})
                return Redirect(f"/step-up?{again}")
            waiting = await self._devices.decide(visit.signed_in, code, approve=is_allowed)
        except SAID_ON_THE_FORM as error:
            return self._form(code, error)
        return Page("device_done.html", {"client": waiting.client_name, "is_allowed": is_allowed})

    async def _is_too_old(self, visit: Visit, code: str) -> bool:
        waiting = await self._devices.find(visit.signed_in, code)
        return waiting.is_first_party and not await self._desk.people.step_up.is_fresh(visit.signed_in)

    def _form(self, code: str, refused: PublicError | None = None) -> Answer:
        return Page("device.html", {"user_code": code[:32]}, refused)
