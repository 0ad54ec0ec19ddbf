"""The sessions by which boards join data realms: opened by ticket, and ended when their person may not any more.

A session rests on its person's flags on the board and on the data. Each that is open, or may still be opened, is a row:
so that it is judged anew whenever something of its person changes, every 10 s, and after a start, by whichever process
is there; the row goes when auth has taken that the session is over. Auth ends it with its credential.

While all of that is done, routers are told each second; a router that does not hear it ends every board (decision 14).
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Final

from attrs import evolve
from autobahn.wamp.exception import SessionNotReady, TransportLost

from services.realms.boards import Found, board_asset
from services.realms.drafts import draft
from services.realms.factors import Factors
from services.realms.records.backends import KnownBackend
from services.realms.records.boards import BoardRole, BoardSession, BoardTicket, OpenedBoard
from services.realms.rules.boards import may_stay, role_of
from services.realms.store import board_sessions as store
from services.realms.store.cells import cell_find_of
from services.realms.store.projects import project_find
from shared import audit
from shared.bus import Bus
from shared.database import Database
from shared.errors import NotAuthorizedError, OverLimitError
from shared.flags import AssetKind
from shared.identities import SYSTEM_REALM, Person, ServiceIdentity
from shared.procedures import answered
from shared.rights.decision_point import Following, Rights
from shared.rights.records import Asset, Holdings, project_domain

MAX_OPEN: Final = 100
LOOK_EVERY_S: Final = 0.25
ALL_EVERY_S: Final = 10.0
SAY_EVERY_S: Final = 1.0
JUDGED: Final = "ironflock.realms.board.judged"
NO_CREDENTIAL: Final = "a board is opened with an API key or a session of yours"
TOO_MANY: Final = f"you have {MAX_OPEN} boards open already; close some"
OWN: Final = ServiceIdentity("realms", 0)


class BoardSessions:
    """Opens and ends them."""

    def __init__(
        self, bus: Bus, database: Database, rights: Rights, factors: Factors, clock: Callable[[], float]
    ) -> None:
        """Ask auth over `bus` for tickets; `clock` gives seconds that only go up."""
        self._bus = bus
        self._database = database
        self._rights = rights
        self._factors = factors
        self._clock = clock
        self._all_due_at = 0.0
        self._say_at = 0.0
        self._is_due = asyncio.Event()
        self._begun: set[int] = set()
        """Who has opened a board since all sessions were last read."""
        self._followed: dict[int, tuple[AbstractContextManager[Following], Following]] = {}
        rights.on_locks(self.look_at_all)

    def look_at_all(self) -> None:
        """Have every session judged now."""
        self._all_due_at = 0.0
        self._is_due.set()

    async def open(self, person: Person, found: Found, backend: KnownBackend) -> OpenedBoard:
        """A ticket for a session of the board over the data of `backend`, as much as the person's flags let it be.

        They have `READ` on both. The credential's scopes count too: with those that only read, it reads.

        Raises:
            NotAuthorizedError: They opened it with nothing that could end.
            OverLimitError: They have too many boards open.
        """
        if person.credential is None:
            raise NotAuthorizedError(NO_CREDENTIAL)
        if await self._database.run(lambda one: store.board_session_count(one, person.account_key)) >= MAX_OPEN:
            raise OverLimitError(TOO_MANY)
        role = await self._role_for(person, found, backend)
        ticket = await self._issue(person, found, backend, role)
        session = BoardSession(
            session_id=ticket.session,
            account_key=person.account_key,
            board_key=found.board.board_key,
            backend_key=backend.backend_key,
            project_key=backend.project_key,
            app_key=backend.app_key,
            stage=backend.stage,
            role=role,
            ends_at=ticket.ends_at,
            is_there=True,
            has_ended=False,
        )
        async with self._database.transaction() as connection:
            await store.board_session_insert(connection, session)
            await audit.record(connection, _opened(person, session))
        self._begun.add(person.account_key)
        self._follow(self._followed.keys() | {person.account_key})
        self._followed[person.account_key][1].wake()  # what changed meanwhile was not followed yet
        return OpenedBoard(_realm_of(backend), role, ticket.ticket, ticket.ends_at, await self._endpoint(backend))

    async def keep_up(self) -> None:
        """Wait until somebody's flags may be others, a moment at most, and end what they do not let go on.

        Raises:
            PublicError, ApplicationError: A part is away; what is to end stays due, and the routers are told nothing.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._is_due.wait()
        self._is_due.clear()
        self._rights.refuse_silence()
        if self._clock() >= self._all_due_at:
            await self._judge(None)
            self._all_due_at = self._clock() + ALL_EVERY_S
        else:
            await self._judge_due()
        self._say()

    async def _judge_due(self) -> None:
        due = [key for key, (_, following) in self._followed.items() if following.is_due()]
        if due:
            try:
                await self._judge(due)
            except BaseException:
                self._all_due_at = 0.0
                raise

    def _say(self) -> None:
        """Tell each router that all boards are judged, and how old what they are judged by may be."""
        if self._clock() < self._say_at:
            return
        self._say_at = self._clock() + SAY_EVERY_S
        for session in self._bus.sessions(SYSTEM_REALM):
            with suppress(SessionNotReady, TransportLost):  # that router hears it when it is back
                session.publish(JUDGED, silent_s=self._rights.silent_s)

    async def _judge(self, account_keys: list[int] | None) -> None:
        """End those of these people (of all, if None) that may not go on."""
        self._begun.clear()
        sessions = await self._database.run(lambda one: store.board_session_list(one, account_keys))
        if account_keys is None:
            self._follow({session.account_key for session in sessions} | self._begun)
        over = [session.session_id for session in sessions if session.has_ended]
        ending = [each for each in sessions if not each.has_ended and not await self._may_stay(each)]
        if ending:
            await self._bus.call("ironflock.auth.board_ticket.end", sessions=[each.session_id for each in ending])
        if over or ending:
            await self._forget(over, ending)

    async def _forget(self, over: list[str], ending: list[BoardSession]) -> None:
        async with self._database.transaction() as connection:
            await store.board_session_delete(connection, over)
            gone = set(await store.board_session_delete(connection, [each.session_id for each in ending]))
            for session in ending:
                if session.session_id in gone:  # or another process has done it
                    await audit.record(connection, _closed(session))

    async def _may_stay(self, session: BoardSession) -> bool:
        if not session.is_there:
            return False
        holdings = await self._rights.holdings(session.account_key)
        if not may_stay(
            session.role, self._most(holdings, session.project_key, session.board_key, session.backend_key)
        ):
            return False
        project = await self._database.run(lambda one: project_find(one, session.project_key))
        return project is not None and (not project.requires_factor or await self._factors.has(session.account_key))

    async def _endpoint(self, backend: KnownBackend) -> str | None:
        cell = await self._database.run(lambda one: cell_find_of(one, backend.project_key))
        return None if cell is None else cell.endpoint

    async def _role_for(self, person: Person, found: Found, backend: KnownBackend) -> BoardRole:
        holdings = await self._rights.holdings(person.account_key)
        most = self._most(holdings, backend.project_key, found.board.board_key, backend.backend_key)
        if most is None:
            raise NotAuthorizedError("your rights have just changed; look again")
        may_change = person.scopes.usable(changes=True).reaches(backend.project_key)
        return most if may_change else BoardRole.READER

    def _most(self, holdings: Holdings, project_key: int, board_key: int, backend_key: int) -> BoardRole | None:
        domain, data = project_domain(project_key), Asset(AssetKind.DATA_BACKEND, backend_key)
        return role_of(
            reads_board=self._rights.judge(holdings, "READ", board_asset(board_key), domain).allowed,
            reads_data=self._rights.judge(holdings, "READ", data, domain).allowed,
            writes_data=self._rights.judge(holdings, "WRITE", data, domain).allowed,
        )

    async def _issue(self, person: Person, found: Found, backend: KnownBackend, role: BoardRole) -> BoardTicket:
        answer = await self._bus.call(
            "ironflock.auth.board_ticket.issue",
            account_key=person.account_key,
            credential=person.credential,
            realm=_realm_of(backend),
            role=role.value,
            board_key=found.board.board_key,
        )
        return answered(BoardTicket, answer)

    def _follow(self, account_keys: set[int]) -> None:
        for key in self._followed.keys() - account_keys:
            context, _ = self._followed.pop(key)
            context.__exit__(None, None, None)
        for key in account_keys - self._followed.keys():
            context = self._rights.follow(key, self._is_due.set)
            self._followed[key] = (context, context.__enter__())


def _realm_of(backend: KnownBackend) -> str:
    return f"realm-{backend.project_key}-{backend.app_key}-{backend.stage.value.lower()}"


def _opened(person: Person, session: BoardSession) -> audit.Draft:
    return draft(
        person,
        audit.Action.BOARD_OPENED,
        audit.Asset("board", session.board_key),
        aspect=audit.Aspect.READING,
        project_key=session.project_key,
        after={
            "app_key": session.app_key,
            "stage": session.stage.value,
            "role": session.role.value,
            "session": session.session_id,
        },
    )


def _closed(session: BoardSession) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.BOARD_CLOSED,
        aspect=audit.Aspect.ACCESS,
        actor=evolve(audit.actor_of(OWN), on_behalf_of=session.account_key),
        asset=audit.Asset("board", session.board_key),
        project_key=session.project_key,
        before={"role": session.role.value, "session": session.session_id},
        reason="what it rested on has changed",
    )
