"""Boards' tickets: issued to realms, taken once by the router, ended with whatever they live from."""

import asyncio
import re
from typing import Any

import pytest
import pytest_asyncio
from autobahn.wamp.exception import ApplicationError

from services.auth.apps import Apps
from services.auth.endings import PROCEDURE, Endings
from services.auth.locks import Locks
from services.auth.procedures.board_tickets import BoardTicketProcedures
from services.auth.records.board_tickets import (
    EndBoardSessions,
    IssueBoardTicket,
    IssuedBoardTicket,
    TakeBoardTicket,
    TakenBoardTicket,
)
from shared import api_keys, board_tickets
from shared.database import Database
from shared.errors import InvalidArgumentError, NotAuthorizedError, UnavailableError
from shared.identities import Person, ServiceIdentity
from shared.procedures import declared
from shared.project_cells import ProjectCells
from shared.rights.records import LockKind
from tests.harness.rights import KnownRights
from tests.integration.auth.material import OWNER_KEY
from tests.integration.auth.neighbours import Neighbours
from tests.integration.database import Postgres

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
REALMS, ROUTER = ServiceIdentity("realms", 1), ServiceIdentity("router", 1)
STANDING = "ironflock.realms.app.standing"
REALM, OTHER = "realm-2-26-prod", "realm-2-26-dev"
KEY_ID = api_keys.key_id(OWNER_KEY)


class Tickets:
    """The procedures; realms says that the app is installed, unless `is_installed` is False."""

    def __init__(self, board: BoardTicketProcedures, account_key: int, postgres: Postgres) -> None:
        self.board = board
        self.account_key = account_key
        self.postgres = postgres
        self.is_installed = True

    def standing(self, **_: Any) -> dict[str, Any]:
        return {"is_realm_installed": self.is_installed, "provider": None, "grants": [], "legacy_mode": "strict"}

    async def issue(self, realm: str = REALM, credential: str = KEY_ID, **more: Any) -> IssuedBoardTicket:
        asked = IssueBoardTicket(more.get("account_key", self.account_key), credential, realm, "board_reader", 9)
        issued: IssuedBoardTicket = await self.board.board_ticket_issue(REALMS, asked)
        return issued

    async def take(self, ticket: str, realm: str = REALM) -> TakenBoardTicket | None:
        taken: TakenBoardTicket | None = await self.board.board_ticket_take(ROUTER, TakeBoardTicket(ticket, realm))
        return taken

    async def end(self, *sessions: str) -> None:
        await self.board.board_ticket_end(REALMS, EndBoardSessions(list(sessions)))


@pytest_asyncio.fixture(name="tickets")
async def fixture_tickets(
    auth_database: Database, anna: Person, neighbours: Neighbours, rights: KnownRights, postgres: Postgres
) -> Tickets:
    board = BoardTicketProcedures(
        auth_database,
        Locks(rights),
        Apps(neighbours.bus, ProjectCells(neighbours.bus)),
        Endings(neighbours.bus, auth_database, lambda: 0.0),
    )
    made = Tickets(board, anna.account_key, postgres)
    neighbours.router.answers[STANDING] = made.standing
    return made


async def test_a_ticket_lets_in_once(tickets: Tickets) -> None:
    issued = await tickets.issue()

    taken = await tickets.take(issued.ticket)

    assert taken == TakenBoardTicket(
        tickets.account_key, "board_reader", 9, [issued.session, KEY_ID], issued.ends_at.timestamp(), "first"
    )
    assert re.fullmatch(r"bse_[0-9a-f]{32}", issued.session)
    assert await tickets.take(issued.ticket) is None


async def test_of_many_that_take_it_at_once_one_gets_in(tickets: Tickets) -> None:
    issued = await tickets.issue()

    taken = await asyncio.gather(*(tickets.take(issued.ticket) for _ in range(20)))

    assert sum(each is not None for each in taken) == 1


async def test_the_ticket_is_stored_nowhere_and_shown_by_nothing(tickets: Tickets) -> None:
    issued = await tickets.issue()

    ((row,),) = tickets.postgres.rows("SELECT t::text FROM auth.board_ticket t")
    assert issued.ticket not in row
    assert board_tickets.ticket_hash(issued.ticket).hex() in row
    assert issued.ticket not in repr(issued)
    assert issued.ticket not in repr(TakeBoardTicket(issued.ticket, REALM))


@pytest.mark.parametrize("realm", [OTHER, "realm-3-26-prod", "realm-2-27-prod", "realm1", "ironflock.system", "", "x"])
async def test_in_another_realm_it_opens_nothing_and_is_not_used_up(tickets: Tickets, realm: str) -> None:
    issued = await tickets.issue()

    assert await tickets.take(issued.ticket, realm) is None
    assert await tickets.take(issued.ticket) is not None


@pytest.mark.parametrize("ticket", ["", "ifb_", "ifb_" + "0" * 49, board_tickets.mint(bytes(32)), OWNER_KEY, "\ud800"])
async def test_what_is_no_ticket_opens_nothing(tickets: Tickets, ticket: str) -> None:
    await tickets.issue()

    assert await tickets.take(ticket) is None


async def test_it_is_for_a_minute_and_its_session_for_half_a_day(tickets: Tickets) -> None:
    late, good = await tickets.issue(), await tickets.issue()
    life = "SELECT extract(epoch FROM ends_at - issued_at)::int, extract(epoch FROM usable_until - issued_at)::int"
    assert tickets.postgres.rows(f"{life} FROM auth.board_ticket") == [(43_200, 60)] * 2
    tickets.postgres.run(
        "UPDATE auth.board_ticket SET usable_until = clock_timestamp() WHERE session_id = %s", late.session
    )

    assert await tickets.take(late.ticket) is None
    assert await tickets.take(good.ticket) is not None


async def test_its_session_never_outlasts_the_credential(tickets: Tickets) -> None:
    tickets.postgres.run("UPDATE auth.api_key SET ends_at = now() + interval '10 minutes'")
    ((key_ends_at,),) = tickets.postgres.rows("SELECT ends_at FROM auth.api_key")

    assert (await tickets.issue()).ends_at == key_ends_at


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE auth.api_key SET ended_at = now()",
        "UPDATE auth.api_key SET ends_at = now()",
        "UPDATE auth.account SET state = 'disabled'",
    ],
)
async def test_with_what_has_ended_no_ticket_is_had_and_none_is_taken(tickets: Tickets, change: str) -> None:
    issued = await tickets.issue()
    tickets.postgres.run(change)

    assert await tickets.take(issued.ticket) is None
    with pytest.raises(NotAuthorizedError):
        await tickets.issue()


async def test_it_is_issued_by_ones_own_credential_for_data_realms(tickets: Tickets) -> None:
    for credential in ("", "ses_unknown", KEY_ID[:-1], KEY_ID.lower()):
        with pytest.raises(NotAuthorizedError):
            await tickets.issue(credential=credential)
    with pytest.raises(NotAuthorizedError):
        await tickets.issue(account_key=tickets.account_key + 1)
    for realm in ("realm1", "realm-1-2-PROD", ""):
        with pytest.raises(InvalidArgumentError):
            await tickets.issue(realm)


@pytest.mark.parametrize("kind", [LockKind.PERSON, LockKind.API_KEY])
async def test_whoever_is_locked_out_does_not_get_in(tickets: Tickets, rights: KnownRights, kind: LockKind) -> None:
    issued = await tickets.issue()
    rights.lock(kind, KEY_ID if kind is LockKind.API_KEY else tickets.account_key)
    assert await tickets.take(issued.ticket) is None
    rights.unlock()

    assert await tickets.take(issued.ticket) is not None


async def test_while_locks_cannot_be_heard_of_nobody_gets_in_and_the_ticket_is_kept(
    tickets: Tickets, rights: KnownRights
) -> None:
    issued = await tickets.issue()
    rights.is_silent = True
    with pytest.raises(UnavailableError):
        await tickets.take(issued.ticket)
    rights.is_silent = False

    assert await tickets.take(issued.ticket) is not None


async def test_a_realm_whose_app_was_uninstalled_is_not_opened_again(tickets: Tickets) -> None:
    issued = await tickets.issue()
    tickets.is_installed = False
    assert await tickets.take(issued.ticket) is None


def fails(_: Any) -> int:
    raise ApplicationError("wamp.error.no_such_procedure")


async def test_what_is_ended_is_told_to_the_routers_whether_it_was_used_or_not(
    tickets: Tickets, auth_database: Database, neighbours: Neighbours
) -> None:
    used, unused, other = [await tickets.issue() for _ in range(3)]
    await tickets.take(used.ticket)
    gone = [used.session, unused.session]

    neighbours.router.answers[PROCEDURE] = fails  # a router that is away is told later
    await tickets.end(*gone)
    neighbours.router.calls.clear()
    neighbours.router.answers[PROCEDURE] = lambda _: 1
    await tickets.end(*gone)
    assert neighbours.router.called(PROCEDURE) == [(gone,)]
    await Endings(neighbours.bus, auth_database, lambda: 0.0).keep_up()

    told = [set(keys) for (keys,) in neighbours.router.called(PROCEDURE)]
    assert told == [set(gone), set(gone)]
    assert await tickets.take(unused.ticket) is None
    assert await tickets.take(other.ticket) is not None


async def test_tickets_are_for_realms_and_the_router_alone(tickets: Tickets) -> None:
    served = {"issue": {"realms"}, "take": {"router"}, "end": {"realms"}}
    asked: dict[str, Any] = {
        "issue": IssueBoardTicket(tickets.account_key, KEY_ID, REALM, "board_reader", 9),
        "take": TakeBoardTicket("x", REALM),
        "end": EndBoardSessions([]),
    }
    for declaration, method in declared(tickets.board):
        verb = declaration.uri.rpartition(".")[2]
        for name in ("auth", "realms", "devices", "privileges", "audit", "gateway", "fleetdb", "tunnels", "router"):
            if name in served[verb]:
                await method(ServiceIdentity(name, 1), asked[verb])
            else:
                with pytest.raises(NotAuthorizedError):
                    await method(ServiceIdentity(name, 1), asked[verb])


async def test_old_tickets_go(tickets: Tickets) -> None:
    await tickets.issue()
    tickets.postgres.run("UPDATE auth.board_ticket SET ends_at = now() - interval '2 days'")
    await tickets.issue()

    assert tickets.postgres.rows("SELECT count(*) FROM auth.board_ticket") == [(1,)]
