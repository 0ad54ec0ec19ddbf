"""Tickets and visits, for people."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from services.tunnels.assembly import Parts
from services.tunnels.drafts import tunnel_draft
from services.tunnels.finding import NO_TUNNEL
from services.tunnels.records.tunnels import NameTunnel
from services.tunnels.records.visits import (
    Cause,
    ClosedVisits,
    IssuedTicket,
    IssueTicket,
    ListVisits,
    Ticket,
    Visit,
    VisitPage,
)
from services.tunnels.rules.tickets import ENTROPY_OCTETS, mint, ticket_digest
from services.tunnels.rules.visits import hard_end
from services.tunnels.store import tickets, tunnels
from services.tunnels.store import visits as store
from shared import audit
from shared.errors import NotAuthorizedError, NotFoundError
from shared.identities import Person
from shared.moments import rfc3339
from shared.paging import page, position_after
from shared.procedures import for_people

USE_S: Final = 60.0
NO_CREDENTIAL: Final = "a ticket is issued to whoever is there by an API key or a session of theirs"


class VisitProcedures:
    """Tunnels' procedures about who comes."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._tunnels = parts.tunnels
        self._credentials = parts.credentials
        self._visiting = parts.visiting
        self._recordings = parts.recordings
        self._bounds = parts.bounds
        self._now = parts.times.now

    @for_people("ironflock.tunnels.ticket.issue", IssueTicket, is_narrowing=True)
    async def ticket_issue(self, person: Person, request: IssueTicket) -> IssuedTicket:
        """A ticket that opens one visit, once and within a minute (flag `REMOTE_ACCESS`).

        The visit ends with what the person is signed in with, after the hours that they say, or the installation's own.
        """
        tunnel = (await self._tunnels.with_flag(person, "REMOTE_ACCESS", request.tunnel)).tunnel
        text = mint(secrets.token_bytes(ENTROPY_OCTETS))
        ends_at = await self._end_of(person, request.hours)
        ticket = Ticket(
            digest=ticket_digest(text),
            tunnel_key=tunnel.tunnel_key,
            account_key=person.account_key,
            credential=person.credential or "",
            scopes=person.scopes.texts,
            visit_ends_at=ends_at,
        )
        async with self._database.transaction() as connection:
            if await tunnels.tunnel_hold_in_txn(connection, tunnel.tunnel_key) is None:
                raise NotFoundError(NO_TUNNEL)
            usable_until = await tickets.ticket_insert(connection, ticket, USE_S)
            said = {"visit_ends_at": rfc3339(ends_at)}
            await audit.record(connection, tunnel_draft(person, audit.Action.TUNNEL_TICKET_ISSUED, tunnel, **said))
        return IssuedTicket(text, usable_until, ends_at, await self._recordings.is_recorded(tunnel))

    @for_people("ironflock.tunnels.visit.list", ListVisits, is_reading=True, is_narrowing=True)
    async def visit_list(self, person: Person, request: ListVisits) -> VisitPage:
        """Who came to the devices that the caller may see (flag `READ`), the newest first, paged."""
        before = position_after(request.cursor)
        devices = await self._tunnels.visited_keys(person, request.device, request.project)
        found = await self._database.run(
            lambda connection: store.visit_list(
                connection, devices, request.account, before=before, limit=request.limit + 1
            )
        )
        visits, cursor = page(found, request.limit, lambda visit: visit.visit_key)
        return VisitPage(visits, cursor)

    @for_people("ironflock.tunnels.tunnel.close", NameTunnel, is_narrowing=True)
    async def tunnel_close(self, person: Person, request: NameTunnel) -> ClosedVisits:
        """End the visits of the tunnel: one's own with the flag `REMOTE_ACCESS`, all with `UPDATE`."""
        key = request.tunnel
        try:
            found = await self._tunnels.with_flag(person, "UPDATE", key)
            is_all = True
        except (NotAuthorizedError, NotFoundError):  # who may go through it need not be able to look at it
            found = await self._tunnels.with_flag(person, "REMOTE_ACCESS", key)
            is_all = False

        def is_meant(visit: Visit) -> bool:
            return visit.tunnel_key == key and (is_all or visit.account_key == person.account_key)

        async with self._database.transaction() as connection:
            draft = tunnel_draft(person, audit.Action.TUNNEL_CLOSED, found.tunnel, is_all=is_all)
            await audit.record(connection, draft)
        return ClosedVisits(self._visiting.cut(is_meant, Cause.CLOSED))

    async def _end_of(self, person: Person, hours: float | None) -> datetime:
        if person.credential is None:
            raise NotAuthorizedError(NO_CREDENTIAL)
        whose = person.account_key, person.credential
        standing = await self._credentials.standing([whose])
        if whose not in standing:
            raise NotAuthorizedError(NO_CREDENTIAL)
        now = self._now().timestamp()
        asked = None if hours is None else now + timedelta(hours=hours).total_seconds()
        return datetime.fromtimestamp(hard_end(now, self._bounds, standing[whose], asked), UTC)
