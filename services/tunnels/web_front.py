"""Who may come to a tunnel of the web, and by which visit: asked before each request goes on to a device."""

from typing import Final

from attrs import frozen

from services.tunnels.admitting import Admissions, Wanted
from services.tunnels.browsers import Browsers
from services.tunnels.finding import NO_TUNNEL, Offering
from services.tunnels.identity import Identity
from services.tunnels.records.offers import Offer, TunnelName
from services.tunnels.records.times import Times
from services.tunnels.records.tunnels import Tunnel
from services.tunnels.records.visits import Admitted, Visitor
from services.tunnels.rules.callers import Shown, is_from_elsewhere, keeps_authorization, name_of_label, shown_by
from services.tunnels.rules.headers import Coming, to_device
from services.tunnels.rules.heads import Headers, Incoming
from services.tunnels.rules.visitors import NO_CREDENTIAL
from services.tunnels.sharing import Sharing
from services.tunnels.store import tunnels as store
from services.tunnels.streams import Reaching
from services.tunnels.visiting import OpenVisit
from services.tunnels.web_visits import Party, WebVisits
from shared import tracing
from shared.allowance import Allowance
from shared.bus import Bus
from shared.database import Database
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError, OverLimitError, SignInRefusedError
from shared.subscribers import subscriber

FAILURES: Final = 60
FAILURES_WINDOW_S: Final = 60.0
NOT_OFFERED: Final = "the device does not offer this now"
TOO_MANY_FAILURES: Final = "too much that opened nothing came from your address; wait a minute"
FROM_ELSEWHERE: Final = "the page of another site asked for this; open the tunnel's own page"


@frozen
class WebParts:
    """What web visitors are let in with; `issuer` is the origin of the sign-in."""

    bus: Bus
    database: Database
    admissions: Admissions
    browsers: Browsers
    offering: Offering
    visits: WebVisits
    sharing: Sharing
    identity: Identity
    edge: Reaching
    times: Times
    domain: str
    issuer: str


@frozen
class Asked:
    """A request, the label of the tunnel's host, and where it comes from."""

    incoming: Incoming
    label: str
    address: str
    port: int
    connection: int


@frozen
class Entered:
    """They may come: by which visit, to which offer, with which headers for the device."""

    visit: OpenVisit
    offer: Offer
    headers: Headers


class WebFront:
    """Lets in."""

    def __init__(self, parts: WebParts) -> None:
        """With these."""
        self.parts = parts
        self._failures = Allowance(FAILURES, FAILURES_WINDOW_S)

    async def let_in(self, asked: Asked) -> Entered:
        """Let whoever asks in; it is recorded when this returns.

        Raises:
            SignInRefusedError: They show nothing, or what opens nothing.
            NotFoundError, NotAuthorizedError, ConflictError, OverLimitError: They may not, or it is not there.
            PublicError, psycopg.Error: Nobody can say now, or it cannot be recorded.
        """
        with tracing.visited("web"):
            return await self._let_in(asked)

    async def _let_in(self, asked: Asked) -> Entered:
        name = name_of_label(asked.label)
        if name is None:
            raise NotFoundError(NO_TUNNEL)
        tunnel = await self.parts.database.run(lambda connection: store.tunnel_find_by_name(connection, name))
        if tunnel is not None and tunnel.is_public(self.parts.times.now()):
            return await self._in_public(asked, tunnel)
        return await self._in_private(asked, name)

    async def _in_public(self, asked: Asked, tunnel: Tunnel) -> Entered:
        offer = self._offer(tunnel.name)
        party = Party(asked.label, "public", b"", asked.address)

        async def admit() -> Admitted:
            return Admitted(tunnel, Visitor(None, asked.address, None))

        visit = await self.parts.visits.visit_of(party, asked.connection, admit)
        keeps = keeps_authorization(asked.incoming, self.parts.issuer, is_public=True)
        coming = Coming(asked.address, None, "")
        return Entered(visit, offer, to_device(asked.incoming, coming, keeps_authorization=keeps))

    async def _in_private(self, asked: Asked, name: TunnelName) -> Entered:
        shown = shown_by(asked.incoming)
        if shown.text is None and shown.cookie is None:
            raise SignInRefusedError(NO_CREDENTIAL)
        if shown.text is None and is_from_elsewhere(asked.incoming):
            raise NotAuthorizedError(FROM_ELSEWHERE)
        kind = "browser" if shown.text is None else "ticket" if shown.is_ticket else "program"
        connection = asked.connection if shown.is_ticket else 0
        party = Party(asked.label, kind, shown.digest(), asked.address, connection)

        async def admit() -> Admitted:
            admitted = await self._admit(asked, shown, name)
            self._offer(name)
            return admitted

        visit = await self.parts.visits.visit_of(party, asked.connection, admit)
        offer, person = self._offer(name), visit.visitor.person
        account_key = 0 if person is None else person.account_key
        assertion = await self.parts.identity.assertion(account_key, asked.incoming.host)
        coming = Coming(asked.address, account_key, assertion)
        keeps = keeps_authorization(asked.incoming, self.parts.issuer, is_public=False)
        return Entered(visit, offer, to_device(asked.incoming, coming, keeps_authorization=keeps))

    async def _admit(self, asked: Asked, shown: Shown, name: TunnelName) -> Admitted:
        """Whoever shows too much that opens nothing is not looked at for a while."""
        address, whose = asked.address, subscriber(asked.address)
        if not self._failures.take(whose, self.parts.times.clock()):
            raise OverLimitError(TOO_MANY_FAILURES)
        wanted = Wanted(name.device_key, name.app, name.port, name.protocol)
        try:
            if shown.text is not None:
                admitted = await self.parts.admissions.admit(shown.text, address, wanted)
            else:
                admitted = await self.parts.browsers.admit(shown.digest(), asked.label, address, wanted)
        except SignInRefusedError:
            raise
        except BaseException:
            self._failures.give_back(whose)
            raise
        self._failures.give_back(whose)
        return admitted

    def _offer(self, name: TunnelName) -> Offer:
        offer = self.parts.offering.find(name)
        if offer is None:
            raise ConflictError(NOT_OFFERED)
        return offer
