"""Boards are opened by ticket and end when their people may not any more, on a real database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from services.realms import board_sessions as module
from services.realms.board_sessions import BoardSessions
from services.realms.records.boards import Board, CreateBoard, NameBoard, OpenBoard, OpenedBoard
from services.realms.records.values import Stage
from shared.flags import AssetKind
from shared.health import Health
from shared.identities import Person
from shared.rights.records import LockKind
from shared.scopes import parse_scopes
from shared.service import forever
from tests.harness.rights import project
from tests.harness.waiting import eventually
from tests.integration.database import Postgres
from tests.integration.realms.world import ANNA, BERT, Realms, refused

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
CARL = Person(7, 13, "key-7")
DATA = AssetKind.DATA_BACKEND
WITHIN_S = 1.0


class Plant:
    """A plant with the app Press, its backend, and a board."""

    def __init__(self, world: Realms, board: Board, backend: int, postgres: Postgres) -> None:
        self.world = world
        self.board = board
        self.backend = backend
        self.postgres = postgres

    def give(self, *on_data: str, on_board: tuple[str, ...] = ("READ",), person: Person = CARL) -> None:
        """The person has these flags and no others."""
        rights, key = self.world.rights, self.board.project_key
        rights.lose(person.account_key, project(key))
        if on_board:
            rights.give(person.account_key, key, AssetKind.BOARD, self.board.board_key, *on_board)
        if on_data:
            rights.give(person.account_key, key, DATA, self.backend, *on_data)

    async def open(self, by: Person = CARL, app: int | str = "press", stage: Stage = Stage.PROD) -> OpenedBoard:
        opened: OpenedBoard = await self.world.boards.board_open(by, OpenBoard(self.board.board_key, app, stage))
        return opened

    def there(self) -> list[tuple[int, str]]:
        """Whose sessions there are, as what."""
        return self.postgres.rows("SELECT account_key, role FROM realms.board_session ORDER BY session_id")

    @asynccontextmanager
    async def running(self, sessions: BoardSessions | None = None) -> AsyncIterator[None]:
        """As the service runs it."""
        work = (sessions or self.world.sessions).keep_up
        task = asyncio.create_task(forever("boards", work, Health(), pause_s=0.01))
        try:
            yield
        finally:
            task.cancel()

    async def cut(self, *sessions: int, within_s: float = WITHIN_S) -> None:
        """These are ended and forgotten, and no others were."""
        wanted = [f"bse_{number:032x}" for number in sessions]

        async def ended() -> bool:
            asked = "SELECT FROM realms.board_session WHERE session_id = ANY (%s)"
            return sorted(self.world.others.ended) == wanted and not self.postgres.rows(asked, wanted)

        await eventually(ended, within_s, "the sessions end")


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(world: Realms, postgres: Postgres) -> Plant:
    await world.project()
    await world.app("Press")
    await world.install()
    board = await world.boards.board_create(ANNA, CreateBoard("plant", "line"))
    ((backend,),) = postgres.rows("SELECT backend_key FROM realms.backend")
    return Plant(world, board, backend, postgres)


async def test_a_board_opens_as_reader_or_writer_by_the_flags_on_the_data(plant: Plant) -> None:
    ((app,),) = plant.postgres.rows("SELECT app_key FROM realms.app")
    realm = f"realm-{plant.board.project_key}-{app}-prod"
    plant.give("READ")
    opened = await plant.open()
    assert (opened.realm, opened.role, opened.ticket) == (realm, "board_reader", "ifb_1")
    assert opened.ticket not in repr(opened)
    plant.give("READ", "WRITE")
    assert (await plant.open()).role == "board_writer"

    asked = {"account_key": 7, "credential": "key-7", "realm": realm, "board_key": plant.board.board_key}
    assert plant.world.others.tickets == [{**asked, "role": "board_reader"}, {**asked, "role": "board_writer"}]
    assert plant.there() == [(7, "board_reader"), (7, "board_writer")]
    assert plant.postgres.rows("SELECT count(*) FROM audit.queue WHERE action = 'board.opened'") == [(2,)]


@pytest.mark.parametrize(
    ("on_board", "on_data", "code"),
    [
        ((), ("READ", "WRITE"), "not_found"),
        (("READ",), (), "not_found"),
        (("READ",), ("WRITE",), "not_found"),
        (("UPDATE", "DELETE"), ("READ",), "not_found"),
    ],
)
async def test_without_read_on_both_nothing_opens(
    plant: Plant, on_board: tuple[str, ...], on_data: tuple[str, ...], code: str
) -> None:
    plant.give(*on_data, on_board=on_board)

    assert (await refused(plant.open()))["code"] == code
    assert plant.world.others.tickets == []
    assert plant.there() == []


async def test_where_the_app_is_not_there_nothing_opens(plant: Plant) -> None:
    for app, stage in (("press", Stage.DEV), ("saw", Stage.PROD), (9999, Stage.PROD)):
        assert (await refused(plant.open(ANNA, app, stage)))["code"] == "not_found"


async def test_a_credential_that_only_reads_opens_a_reader(plant: Plant) -> None:
    reading = Person(5, 11, "key-1", parse_scopes(["read"]))
    narrowed = Person(5, 11, "key-1", parse_scopes([f"read@project/{plant.board.project_key}"]))
    elsewhere = Person(5, 11, "key-1", parse_scopes([f"all@project/{plant.board.project_key + 1}"]))

    assert (await plant.open(ANNA)).role == "board_writer"
    assert (await plant.open(reading)).role == (await plant.open(narrowed)).role == "board_reader"
    assert (await refused(plant.open(elsewhere)))["code"] == "not_found"


async def test_without_a_credential_that_can_end_nothing_opens(plant: Plant) -> None:
    assert (await refused(plant.open(Person(5, 11))))["code"] == "not_authorized"


async def test_one_person_has_not_too_many(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OPEN", 2)
    plant.give("READ")
    await plant.open()
    await plant.open()

    assert (await refused(plant.open()))["code"] == "over_limit"
    await plant.open(ANNA)


@pytest.mark.parametrize(
    ("before", "after", "on_board"),
    [
        (("READ",), (), ("READ",)),
        (("READ",), ("READ",), ()),
        (("READ", "WRITE"), ("READ",), ("READ",)),
        (("READ", "WRITE"), ("WRITE",), ("READ",)),
        (("READ",), (), ()),
    ],
)
async def test_a_flag_that_is_taken_ends_what_rested_on_it(
    plant: Plant, before: tuple[str, ...], after: tuple[str, ...], on_board: tuple[str, ...]
) -> None:
    plant.give(*before)
    await plant.open(ANNA)
    async with plant.running():
        await plant.open()
        plant.give(*after, on_board=on_board)
        await plant.cut(2)

    assert plant.there() == [(5, "board_writer")]
    assert plant.postgres.rows("SELECT count(*) FROM audit.queue WHERE action = 'board.closed'") == [(1,)]


async def test_a_flag_that_comes_or_stays_ends_nothing(plant: Plant) -> None:
    plant.give("READ")
    async with plant.running():
        await plant.open()
        plant.give("READ", "WRITE")
        plant.give("READ", "WRITE", "CONNECT")
        plant.give("READ")
        await plant.open(ANNA)
        plant.give(person=ANNA, on_board=())
        await plant.cut(2)

    assert plant.there() == [(7, "board_reader")]


async def test_a_deleted_board_and_an_uninstalled_app_end_what_is_open(plant: Plant) -> None:
    plant.give("READ")
    other = await plant.world.boards.board_create(ANNA, CreateBoard("plant", "other"))
    async with plant.running():
        await plant.open()
        await plant.world.boards.board_open(ANNA, OpenBoard(other.board_key, "press"))
        await plant.world.boards.board_delete(ANNA, NameBoard(plant.board.board_key))
        await plant.cut(1)
        await plant.world.uninstall()
        plant.world.sessions.look_at_all()
        await plant.cut(1, 2)

    assert plant.there() == []


async def test_a_lock_ends_what_its_person_has_open(plant: Plant) -> None:
    plant.give("READ")
    async with plant.running():
        await plant.open()
        await plant.open(ANNA)
        plant.world.rights.lock(LockKind.PERSON, 7)
        await plant.cut(1)


async def test_a_second_factor_that_is_required_ends_those_who_have_none(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ALL_EVERY_S", 0.2)
    bert = Person(BERT.account_key, 12, "key-6")
    plant.give("READ", person=bert)
    async with plant.running():
        await plant.open(bert)
        await plant.open(ANNA)
        plant.postgres.run("UPDATE realms.project SET requires_factor = true")
        await plant.cut(1)


async def test_what_another_process_opened_is_ended_too_and_after_a_start(plant: Plant, world: Realms) -> None:
    """Nothing is remembered: the rows are."""
    plant.give("READ")
    await plant.open()
    plant.give()
    fresh = Realms(world.boards._database, world.rights, world.others)
    async with plant.running(fresh.sessions):
        await plant.cut(1)
    assert plant.there() == []


async def test_while_auth_is_away_what_is_to_end_stays_due(plant: Plant) -> None:
    plant.give("READ")
    await plant.open()
    plant.world.others.is_away = True
    async with plant.running():
        plant.give()
        await asyncio.sleep(0.3)
        assert plant.there() == [(7, "board_reader")]
        plant.world.others.is_away = False
        await plant.cut(1, within_s=5.0)


async def test_a_flag_that_ends_by_itself_ends_the_session(plant: Plant) -> None:
    rights, key = plant.world.rights, plant.board.project_key
    plant.give()
    rights.give(7, key, DATA, plant.backend, "READ", ends_at=rights.now() + 0.8)
    async with plant.running():
        await plant.open()
        assert plant.world.others.ended == []
        await plant.cut(1, within_s=3.0)


async def test_a_session_that_is_over_is_forgotten_without_a_word(plant: Plant) -> None:
    plant.world.others.ticket_ends_at = "2020-01-01T00:00:00Z"
    plant.give("READ")
    await plant.open()

    async def gone() -> bool:
        return plant.there() == []

    async with plant.running():
        await eventually(gone, 2, "the row goes")
    assert plant.world.others.ended == []


async def test_what_is_taken_while_a_board_is_being_opened_ends_it(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the flags and the row nobody follows yet."""
    plant.give("READ")
    others, issue = plant.world.others, plant.world.others.call

    async def meanwhile(procedure: str, **said: Any) -> Any:
        answer = await issue(procedure, **said)
        if procedure.endswith("ticket.issue"):
            plant.give()
        return answer

    monkeypatch.setattr(others, "call", meanwhile)
    async with plant.running():
        await plant.open()
        await plant.cut(1)


def said(plant: Plant) -> int:
    """How often routers were told that boards are judged."""
    return sum(topic == module.JUDGED for topic, _ in plant.world.published)


async def test_routers_are_told_that_boards_are_judged_once_a_second(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.001)
    other = plant.world.others.routers[1]
    other.published.clear()
    for _ in range(20):
        await plant.world.sessions.keep_up()

    assert other.published == [(module.JUDGED, {"silent_s": 0.0})]
    assert said(plant) == 1


@pytest.mark.parametrize("away", ["rights", "auth", "database"])
async def test_routers_are_told_nothing_while_boards_cannot_be_judged(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(module, "SAY_EVERY_S", 0.0)
    plant.give("READ")
    await plant.open()
    await plant.world.sessions.keep_up()
    assert said(plant) == 1
    if away == "rights":
        plant.world.rights.is_silent = True
    elif away == "auth":
        plant.world.others.is_away = True
        plant.give()
    else:
        plant.postgres.run("ALTER TABLE realms.board_session RENAME TO elsewhere")
    plant.world.sessions.look_at_all()
    try:
        with pytest.raises(Exception, match=r"away|cannot be looked up|does not exist"):
            await plant.world.sessions.keep_up()
    finally:
        if away == "database":
            plant.postgres.run("ALTER TABLE realms.elsewhere RENAME TO board_session")

    assert said(plant) == 1
