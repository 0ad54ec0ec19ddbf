"""The WAMP surface of boards' tickets: realms asks for them, the router takes them, realms ends what they opened."""

import secrets
from typing import Final

from services.auth.apps import Apps
from services.auth.endings import Endings
from services.auth.locks import Locks
from services.auth.procedures.callers import serve_only
from services.auth.records.board_tickets import (
    EndBoardSessions,
    IssueBoardTicket,
    IssuedBoardTicket,
    TakeBoardTicket,
    TakenBoardTicket,
)
from services.auth.rules.app_credentials import parse_realm
from services.auth.store import board_tickets as store
from shared import board_tickets
from shared.database import Database
from shared.errors import InvalidArgumentError, NotAuthorizedError
from shared.identities import ServiceIdentity
from shared.procedures import for_services

USE_S: Final = 60.0
LIFE_S: Final = 12 * 3600.0
ID_OCTETS: Final = 16


class BoardTicketProcedures:
    """Auth's procedures about boards' tickets."""

    def __init__(self, database: Database, locks: Locks, apps: Apps, endings: Endings) -> None:
        """Keep tickets in `database`; `apps` knows what is installed, `endings` tells the routers what is over."""
        self._database = database
        self._locks = locks
        self._apps = apps
        self._endings = endings

    @for_services("ironflock.auth.board_ticket.issue", IssueBoardTicket)
    async def board_ticket_issue(self, service: ServiceIdentity, request: IssueBoardTicket) -> IssuedBoardTicket:
        """A ticket for a board, which lets its person into one data realm once; realms has checked their rights.

        Raises:
            InvalidArgumentError: It is no data realm.
            NotAuthorizedError: What they are signed in with opens nothing any more.
        """
        serve_only(service, "realms")
        if parse_realm(request.realm) is None:
            raise InvalidArgumentError("it is no data realm", argument="realm")
        ticket = board_tickets.mint(secrets.token_bytes(board_tickets.ENTROPY_OCTETS))
        session_id, kept = f"bse_{secrets.token_hex(ID_OCTETS)}", board_tickets.ticket_hash(ticket)
        ends_at = await self._database.run(
            lambda one: store.board_ticket_insert(one, session_id, kept, request, use_s=USE_S, life_s=LIFE_S)
        )
        if ends_at is None:
            raise NotAuthorizedError("the credential does not open anything; sign in again")
        return IssuedBoardTicket(ticket, session_id, ends_at)

    @for_services("ironflock.auth.board_ticket.take", TakeBoardTicket)
    async def board_ticket_take(self, service: ServiceIdentity, request: TakeBoardTicket) -> TakenBoardTicket | None:
        """Who joins that realm by the ticket, for the router alone; it is used up by that. None where it opens nothing.

        Raises:
            UnavailableError, OutcomeUnknownError: Locks cannot be looked up now, or realms is away.
        """
        serve_only(service, "router")
        realm = parse_realm(request.realm)
        if realm is None or not board_tickets.is_well_formed(request.ticket):
            return None
        kept = board_tickets.ticket_hash(request.ticket)
        found = await self._database.run(lambda one: store.board_ticket_find(one, kept, request.realm))
        if found is None or await self._locks.is_out(found.account_key, found.owner_key):
            return None
        if await self._locks.is_key_out(found.credential) or not await self._apps.is_installed(realm):
            return None
        cell = await self._apps.cell_of(realm.project_key)
        if not await self._database.run(lambda one: store.board_ticket_take(one, found.session_id)):
            return None
        lived_from = [found.session_id, found.credential]
        return TakenBoardTicket(
            found.account_key, found.role, found.board_key, lived_from, found.ends_at.timestamp(), cell
        )

    @for_services("ironflock.auth.board_ticket.end", EndBoardSessions)
    async def board_ticket_end(self, service: ServiceIdentity, request: EndBoardSessions) -> None:
        """These sessions are over, whether their tickets were used or not: the routers are told at once."""
        serve_only(service, "realms")
        await self._database.run(lambda one: store.board_ticket_end(one, request.sessions))
        await self._endings.hurry(list(request.sessions))
