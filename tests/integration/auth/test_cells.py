"""Auth in two cells: credentials say where they open, and what ends is told in the cells that are there."""

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from attrs import evolve
from autobahn.wamp.exception import ApplicationError

from services.auth.cells import TIMEOUT_S
from services.auth.cutting import Cuts
from services.auth.endings import PROCEDURE, TOLD, Endings
from services.auth.erasure import Erasure
from services.auth.keyring import Keyring
from services.auth.locks import Locks
from services.auth.procedures.devices import CredentialProcedures
from services.auth.records.devices import FindDeviceCredential, IssueDeviceCredential
from services.auth.service_accounts import ServiceAccounts
from shared.cells import FIRST, Cell
from shared.database import Database
from shared.errors import CellAwayError
from shared.identities import CONTROL_REALM, SYSTEM_REALM, ServiceIdentity
from shared.project_cells import CELL, ProjectCells
from shared.rights.records import LockKind
from shared.rights.wire import SILENCE_S
from tests.harness.rights import KnownRights
from tests.integration.auth.neighbours import KILL_BY_AUTHID, Neighbours
from tests.integration.auth.people import People
from tests.integration.auth.test_procedures import order
from tests.unit.shared.memory_router import MemoryRouter, MemorySession, new_bus, settled

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ROUTER, DEVICES = ServiceIdentity("router", 1), ServiceIdentity("devices", 1)
TICKET: Final = (
    "INSERT INTO auth.board_ticket (session_id, ticket_hash, account_key, credential, realm, role, board_key,"
    " usable_until, ends_at) VALUES ('t', 'h', %s, 'c', 'realm-3-26-dev', 'board_reader', 9, now(), now() + '1 day')"
)
CELLS: Final = (Cell(FIRST, "wss://localhost:1/ws-svc"), Cell("south", "wss://localhost:2/ws-svc"))


class TwoCells(Neighbours):
    """A router beside the first one, in the south."""

    def __init__(self, ca: Path) -> None:
        super().__init__(new_bus(ca, *CELLS, role="svc_auth"))
        self.south = MemoryRouter()
        self.there: list[MemorySession] = []
        for router in (self.router, self.south):
            router.answers[PROCEDURE] = lambda _: 1
            router.answers[KILL_BY_AUTHID] = lambda *_: 1
        del self.south.answers[CELL]  # realms is with the first

    async def south_comes(self) -> None:
        """It is there."""
        for realm in (SYSTEM_REALM, CONTROL_REALM):
            session = await self.south.join(self.bus, realm, 1)
            session.router = self.south
            self.there.append(session)

    def south_goes(self) -> None:
        """It is dead."""
        while self.there:
            self.there.pop().lose()


@pytest_asyncio.fixture(name="cells")
async def fixture_cells(ca: Path) -> TwoCells:
    made = TwoCells(ca)
    await made.join()
    await made.south_comes()
    return made


def told(router: MemoryRouter) -> set[str]:
    return {credential for (ended,) in router.called(PROCEDURE) for credential in ended}


async def test_a_device_s_credential_says_in_which_cell_its_project_is(
    auth_database: Database, keyring: Keyring, rights: KnownRights, cells: TwoCells
) -> None:
    cells.router.answers[CELL] = lambda *, project_key: {"name": "south", "endpoint": "wss://south.test"}
    procedures = CredentialProcedures(auth_database, keyring, Locks(rights), ProjectCells(cells.bus))
    request: IssueDeviceCredential = order()
    await procedures.device_credential_issue(DEVICES, request)
    unproven = FindDeviceCredential(f"{request.project_key}-{request.device_key}")
    proven = evolve(unproven, is_proven=True)

    found: Any = await procedures.device_credential_find(ROUTER, proven)

    assert found.cell == "south"
    unknowing = CredentialProcedures(auth_database, keyring, Locks(rights), ProjectCells(cells.bus))
    cells.goes(CELL)
    assert await unknowing.device_credential_find(ROUTER, proven) == evolve(found, cell="")
    for asked in (proven, unproven):
        assert (await procedures.device_credential_find(ROUTER, asked)) == found
    assert await unknowing.device_credential_find(ROUTER, FindDeviceCredential("3-999")) is None


async def test_a_realms_that_does_not_answer_keeps_waiting_only_who_has_proved_the_secret_and_briefly(
    auth_database: Database, keyring: Keyring, rights: KnownRights, cells: TwoCells, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    cells.router.answers[CELL] = lambda **_: asyncio.wait_for(asyncio.shield(answer), None)
    procedures = CredentialProcedures(auth_database, keyring, Locks(rights), ProjectCells(cells.bus))
    request: IssueDeviceCredential = order()
    await procedures.device_credential_issue(DEVICES, request)
    unproven = FindDeviceCredential(f"{request.project_key}-{request.device_key}")

    async with asyncio.timeout(TIMEOUT_S):
        found: Any = await procedures.device_credential_find(ROUTER, unproven)
    assert found.cell == ""
    monkeypatch.setattr("services.auth.cells.TIMEOUT_S", 0.01)
    async with asyncio.timeout(5):
        found = await procedures.device_credential_find(ROUTER, evolve(unproven, is_proven=True))
    assert found.cell == ""
    answer.set_result({"name": "south", "endpoint": "wss://south.test"})
    await settled(cells.bus)
    assert (await procedures.device_credential_find(ROUTER, unproven)).cell == "south"


async def test_each_cell_is_told_of_what_ended_since_it_was_told_last(people: People, cells: TwoCells) -> None:
    endings = Endings(cells.bus, people.database, lambda: 0.0)
    new = await people.join()
    await endings.keep_up()
    cells.south_goes()

    await people.sessions.end(people.person(new), new.session.session_id)
    await endings.keep_up()

    assert told(cells.router) == {new.session.session_id}
    assert told(cells.south) == set()
    await cells.south_comes()
    await endings.keep_up()
    assert told(cells.south) == {new.session.session_id}


async def test_a_cell_that_is_silent_keeps_no_other_from_being_told(people: People, cells: TwoCells) -> None:
    endings = Endings(cells.bus, people.database, lambda: 0.0)
    new = await people.join()
    await people.sessions.end(people.person(new), new.session.session_id)
    cells.south.answers.pop(PROCEDURE)

    with pytest.raises(CellAwayError):
        await endings.keep_up()

    assert told(cells.router) == {new.session.session_id}
    cells.south.answers[PROCEDURE] = lambda _: 1
    await endings.keep_up()
    assert new.session.session_id in told(cells.south)


async def test_a_cell_hears_that_all_is_told_only_where_that_is_so_and_nobody_is_out_of_reach(
    people: People, cells: TwoCells, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, heard = [100.0], list[tuple[str, float]]()
    endings = Endings(cells.bus, people.database, lambda: now.pop() if len(now) > 1 else now[0])

    async def listen() -> None:
        for cell, session in cells.bus.sessions_by_cell(SYSTEM_REALM).items():
            await session.subscribe(lambda *, silent_s, cell=cell: heard.append((cell, silent_s)), TOLD)

    def hang(_: list[str]) -> "asyncio.Future[int]":
        return asyncio.get_running_loop().create_future()

    def go_away(_: list[str]) -> int:
        raise ApplicationError("wamp.error.no_such_procedure", "away")

    await listen()
    await endings.keep_up()
    assert heard == [(FIRST, 0.0), ("south", 0.0)]  # also where nothing has ended
    new = await people.join()
    await people.sessions.end(people.person(new), new.session.session_id)
    monkeypatch.setattr("services.auth.endings.TELLING_S", 0.05)
    for answer in (hang, go_away):
        heard.clear()
        cells.south.answers[PROCEDURE] = answer
        async with asyncio.timeout(SILENCE_S):  # in which the others must be told again
            with pytest.raises(CellAwayError):
                await endings.keep_up()
        assert [cell for cell, _ in heard] == [FIRST]
    cells.south.answers[PROCEDURE] = lambda _: 1
    cells.there[1].lose()  # of its control realm, on which people's sessions end
    heard.clear()
    await endings.keep_up()
    assert [cell for cell, _ in heard] == [FIRST]
    now[:] = [100.0, 98.5]  # the rows took a while
    heard.clear()
    await endings.keep_up()
    assert heard == [(FIRST, 1.5)]


async def test_while_a_cell_is_silent_a_locked_person_s_service_accounts_and_boards_are_cut_in_the_others(
    people: People, cells: TwoCells
) -> None:
    anna = people.person(await people.join())
    line = await ServiceAccounts(people.database).create(anna, "line")
    cuts = Cuts(cells.bus, people.database, people.rights, lambda: 100.0)
    cells.south.answers.pop(KILL_BY_AUTHID)
    people.postgres.run(TICKET, anna.account_key)
    people.rights.lock(LockKind.PERSON, anna.account_key)

    with pytest.raises(CellAwayError):
        await cuts.cut()

    assert set(cells.killed()) == {str(anna.account_key), str(line.account_key)}
    assert people.postgres.rows("SELECT count(*) FROM auth.board_ticket WHERE ended_at IS NULL") == [(0,)]


async def test_whom_a_lock_or_somebody_shuts_out_is_cut_in_the_cells_that_are_there(
    people: People, cells: TwoCells
) -> None:
    person = people.person(await people.join())
    cuts = Cuts(cells.bus, people.database, people.rights, lambda: 100.0)
    cells.south_goes()
    people.rights.lock(LockKind.PERSON, person.account_key)

    await cuts.cut()

    assert cells.killed() == [str(person.account_key)]
    disable = "UPDATE auth.account SET state = 'disabled', disabled_at = now() WHERE account_key = %s"
    people.postgres.run(disable, person.account_key)
    with pytest.raises(CellAwayError):
        await Erasure(cells.bus, people.database).follow_up()
    assert cells.killed() == [str(person.account_key)] * 2
    await cells.south_comes()
    await Erasure(cells.bus, people.database).follow_up()
    assert [args[0] for args in cells.south.called(KILL_BY_AUTHID)] == [str(person.account_key)]


async def test_given_a_cell_that_was_away_for_long_when_it_is_back_then_whoever_was_shut_out_meanwhile_is_ended_there(
    people: People, cells: TwoCells
) -> None:
    people_out = [people.person(await people.join(name)).account_key for name in ("a@example.com", "b@example.com")]
    await people.join("c@example.com")
    erasure = Erasure(cells.bus, people.database)
    await erasure.follow_up()
    cells.south_goes()
    disable = "UPDATE auth.account SET state = 'disabled', disabled_at = now() - interval '70 minutes'"
    people.postgres.run(f"{disable} WHERE account_key = ANY (%s)", people_out)
    await erasure.follow_up()
    await cells.south_comes()

    await erasure.follow_up()
    await erasure.follow_up()

    assert [args[0] for args in cells.south.called(KILL_BY_AUTHID)] == [str(key) for key in sorted(people_out)]


async def test_given_an_auth_that_starts_when_a_cell_was_away_for_long_then_it_is_told_of_all_that_ended(
    people: People, cells: TwoCells
) -> None:
    new = await people.join()
    await people.sessions.end(people.person(new), new.session.session_id)
    people.postgres.run("UPDATE auth.session SET ended_at = now() - interval '2 hours' WHERE ended_at IS NOT NULL")

    await Endings(cells.bus, people.database, lambda: 0.0).keep_up()

    assert told(cells.south) == told(cells.router) == {new.session.session_id}
