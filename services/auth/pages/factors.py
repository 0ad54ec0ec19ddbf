"""What people sign in by: an authenticator app, recovery codes."""

import re
from collections.abc import Iterable
from typing import Final

from markupsafe import Markup

from services.auth.pages.answers import Answer, Page, Redirect
from services.auth.pages.cookies import of_notice
from services.auth.pages.desk import SAID_ON_THE_FORM, Desk
from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.visits import Visit
from shared.errors import ExpiredError, PublicError

OVERVIEW: Final = "/account/sign-in"
_GROUPS: Final = re.compile(r"(.{4})(?=.)")


class FactorPages:
    """Second factors that are typed."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk
        self._factors = desk.people.factors

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            get(OVERVIEW, self.show, Access.SIGNED_IN),
            get("/account/authenticator", self.show_begin, Access.FRESH),
            post("/account/authenticator", self.begin, Access.FRESH),
            get("/account/authenticator/confirm", self.show_confirm, Access.FRESH),
            post("/account/authenticator/confirm", self.confirm, Access.FRESH),
            get("/account/authenticator/remove", self.show_remove, Access.FRESH),
            post("/account/authenticator/remove", self.remove, Access.FRESH),
            get("/account/recovery-codes", self.show_codes, Access.FRESH),
            post("/account/recovery-codes", self.renew_codes, Access.FRESH),
        )

    async def show(self, visit: Visit) -> Answer:
        """All of them."""
        links = await self._desk.upstream.linking.of(visit.signed_in.account_key)
        linked = {link.provider: link.created_at for link in links}
        return Page("factors.html", {"me": await self._desk.me(visit), "linked": linked})

    async def show_begin(self, visit: Visit) -> Answer:
        """What an authenticator app is."""
        return Page("authenticator.html", {"me": await self._desk.me(visit)})

    async def begin(self, visit: Visit) -> Answer:
        """A new secret waits for its first code."""
        await self._factors.begin_totp(visit.signed_in)
        return Redirect("/account/authenticator/confirm")

    async def show_confirm(self, visit: Visit) -> Answer:
        """The secret, to be scanned; there is none any more where it has been confirmed, or has waited too long."""
        try:
            return await self._offer(visit)
        except ExpiredError:
            return Redirect("/account/authenticator")

    async def confirm(self, visit: Visit) -> Answer:
        """The first code: from now on a sign-in asks for one; with the first factor come recovery codes."""
        try:
            codes = await self._factors.confirm_totp(visit.signed_in, visit.field("code"))
        except SAID_ON_THE_FORM as error:
            return await self._offer(visit, error)
        if not codes:
            return Redirect(OVERVIEW, (of_notice("totp_added"),))
        return await self._codes(visit, codes)

    async def show_remove(self, visit: Visit) -> Answer:
        """Is it meant."""
        return Page("authenticator_remove.html", {"me": await self._desk.me(visit)})

    async def remove(self, visit: Visit) -> Answer:
        """No app any more."""
        await self._factors.remove_totp(visit.person)
        return Redirect(OVERVIEW, (of_notice("totp_removed"),))

    async def show_codes(self, visit: Visit) -> Answer:
        """What recovery codes are, and that new ones end the old ones."""
        return Page("recovery_codes.html", {"me": await self._desk.me(visit)})

    async def renew_codes(self, visit: Visit) -> Answer:
        """New ones, shown this once: they are in this answer alone."""
        codes = await self._factors.renew_recovery_codes(visit.signed_in.account_key, visit.signed_in.session_id)
        return await self._codes(visit, codes)

    async def _codes(self, visit: Visit, codes: list[str]) -> Answer:
        me = await self._desk.me(visit)
        return Page("recovery_codes_shown.html", {"me": me, "codes": codes})

    async def _offer(self, visit: Visit, refused: PublicError | None = None) -> Answer:
        offer = await self._factors.offered_totp(visit.signed_in)
        shown = {
            "me": await self._desk.me(visit),
            "qr_svg": Markup(offer.qr_svg),  # noqa: S704 - segno's drawing of our own URI
            "secret": _GROUPS.sub(r"\1 ", offer.secret),
            "uri": offer.uri,
        }
        return Page("authenticator_confirm.html", shown, refused)
