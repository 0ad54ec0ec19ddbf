"""Boards, on a real database: who makes, sees, changes and deletes them, and what privileges is told."""

from typing import Any

import pytest
import pytest_asyncio
from autobahn.wamp.exception import ApplicationError

from services.realms.procedures import boards as module
from services.realms.records.boards import Board, CreateBoard, ListBoards, ListedBoard, NameBoard, UpdateBoard
from shared.errors import NotFoundError
from shared.flags import AssetKind
from shared.identities import Person
from shared.scopes import parse_scopes
from tests.harness.rights import MEMBER, project
from tests.integration.database import Postgres
from tests.integration.realms.world import ANNA, BERT, CARL, Realms, refused

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
CREATE = "ironflock.realms.board.create"
TEMPLATE = {"name": "line", "widgets": [{"layout_id": 1}], "layout": {"gridLayout": []}}


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(world: Realms) -> Realms:
    await world.project()
    return world


async def create(world: Realms, name: str = "line", by: Person = ANNA, **more: Any) -> Board:
    made: Board = await world.boards.board_create(by, CreateBoard(more.pop("project", "plant"), name, **more))
    return made


async def listed(world: Realms, by: Person = ANNA, **how: Any) -> list[str]:
    found: list[ListedBoard] = (await world.boards.board_list(by, ListBoards("plant", **how))).boards
    return [board.name for board in found]


def give(world: Realms, person: Person, board: Board, *flags: str) -> None:
    world.rights.give(person.account_key, board.project_key, AssetKind.BOARD, board.board_key, *flags)


async def test_a_board_is_made_shown_and_listed_and_privileges_is_told_of_it(plant: Realms) -> None:
    made = await create(plant, description="what it makes", content=TEMPLATE)

    assert (made.name, made.content, made.revision, made.creator_account_key) == ("line", TEMPLATE, 1, 5)
    for wanted in (NameBoard(made.board_key), NameBoard("LINE", "plant")):
        assert await plant.boards.board_show(ANNA, wanted) == made
    assert await listed(plant) == ["line"]
    assert plant.others.assets[-1] == {
        "kind": "board",
        "key": made.board_key,
        "project_key": made.project_key,
        "revision": 1,
        "creator_account_key": 5,
    }


async def test_what_is_asked_on_the_wire_is_checked(plant: Realms) -> None:
    good = {"project": "plant", "name": "line"}
    bad: list[dict[str, Any]] = [
        {"name": ""}, {"name": "7"}, {"name": "x" * 401}, {"content": []}, {"content": {"a": "\0"}}, {"content": "{}"},
        {"content": {"a": "x" * 2**18}}, {"description": 1}, {"revision": 3},
    ]  # fmt: skip
    for each in bad:
        with pytest.raises(ApplicationError) as raised:
            await plant.on_the_wire(CREATE, {**good, **each})
        assert raised.value.error == "wamp.error.invalid_argument", each
    assert await listed(plant) == []
    assert (await plant.on_the_wire(CREATE, good))["name"] == "line"


async def test_names_are_one_in_the_project_and_free_again_after_deletion(plant: Realms) -> None:
    await plant.project("other")
    first = await create(plant)
    await create(plant, project="other")

    assert (await refused(create(plant, "LiNE")))["code"] == "already_exists"
    await plant.boards.board_delete(ANNA, NameBoard(first.board_key))
    again = await create(plant, "Line")
    await create(plant, "second")
    taken = plant.boards.board_update(ANNA, UpdateBoard(again.board_key, name="SECOND"))
    assert (await refused(taken))["code"] == "already_exists"
    assert again.board_key != first.board_key


async def test_members_see_what_they_have_a_flag_on_and_others_nothing(plant: Realms) -> None:
    first, second = await create(plant, "first"), await create(plant, "second")
    give(plant, CARL, second, "READ")

    assert await listed(plant, CARL) == ["second"]
    assert (await plant.boards.board_show(CARL, NameBoard(second.board_key))).name == "second"
    for wanted in (NameBoard(first.board_key), NameBoard("first", "plant"), NameBoard(first.board_key + 99)):
        assert (await refused(plant.boards.board_show(CARL, wanted)))["code"] == "not_found"
    for attempt in (
        plant.boards.board_update(CARL, UpdateBoard(second.board_key, name="mine")),
        plant.boards.board_delete(CARL, NameBoard(second.board_key)),
        create(plant, "third", CARL),
    ):
        assert (await refused(attempt))["code"] in ("not_authorized", "not_found")
    with pytest.raises(NotFoundError):
        await listed(plant, Person(8, 14))


async def test_flags_let_members_make_change_and_delete(plant: Realms) -> None:
    board = await create(plant)
    plant.rights.give(7, board.project_key, AssetKind.PROJECT, board.project_key, "READ", "CREATE_BOARDS")
    assert (await create(plant, "carls", CARL)).creator_account_key == 7
    give(plant, CARL, board, "READ", "UPDATE")

    changed = await plant.boards.board_update(CARL, UpdateBoard("line", "plant", name="Mill", content=TEMPLATE))

    assert (changed.name, changed.content, changed.description, changed.revision) == ("Mill", TEMPLATE, "", 2)
    assert await plant.boards.board_show(CARL, NameBoard(board.board_key)) == changed
    same = await plant.boards.board_update(CARL, UpdateBoard(board.board_key, name="Mill"))
    assert same.revision == 2
    give(plant, CARL, board, "DELETE")
    await plant.boards.board_delete(CARL, NameBoard(board.board_key))
    assert (await refused(plant.boards.board_show(ANNA, NameBoard(board.board_key))))["code"] == "not_found"


async def test_each_change_is_recorded(plant: Realms, postgres: Postgres) -> None:
    board = await create(plant)
    await plant.boards.board_update(ANNA, UpdateBoard(board.board_key, description="new", content=TEMPLATE))
    await plant.boards.board_delete(ANNA, NameBoard(board.board_key))

    rows = postgres.rows("SELECT action FROM audit.queue WHERE action LIKE 'board.%'")
    assert sorted(row[0] for row in rows) == ["board.changed", "board.created", "board.deleted"]


async def test_a_deleted_board_stays_until_privileges_knows_and_leaves_nothing_then(
    plant: Realms, postgres: Postgres
) -> None:
    board = await create(plant, content=TEMPLATE)
    plant.others.is_away = True
    await plant.boards.board_delete(ANNA, NameBoard(board.board_key))
    assert postgres.rows("SELECT name, content FROM realms.board") == [("", None)]

    plant.others.is_away = False
    await plant.telling.keep_up()

    assert plant.others.forgotten == [{"kind": "board", "key": board.board_key}]
    assert postgres.rows("SELECT FROM realms.board") == []


async def test_a_board_that_could_not_be_told_is_told_later(plant: Realms) -> None:
    plant.others.is_away = True
    board = await create(plant)
    plant.others.is_away = False
    await plant.telling.keep_up()
    await plant.telling.keep_up()

    assert [each["key"] for each in plant.others.assets if each["kind"] == "board"] == [board.board_key]


async def test_a_name_alone_is_not_enough(plant: Realms) -> None:
    await create(plant)

    assert (await refused(plant.boards.board_show(ANNA, NameBoard("line"))))["argument"] == "project"


async def test_a_list_is_paged(plant: Realms) -> None:
    for number in range(5):
        await create(plant, f"b{number}")
    first = await plant.boards.board_list(ANNA, ListBoards("plant", limit=3))
    rest = await plant.boards.board_list(ANNA, ListBoards("plant", cursor=first.next, limit=3))

    assert [each.name for each in (*first.boards, *rest.boards)] == [f"b{number}" for number in range(5)]
    assert rest.next is None


async def test_there_is_a_most(plant: Realms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BOARDS", 1)
    await create(plant)

    assert (await refused(create(plant, "second")))["code"] == "over_limit"


async def test_a_project_that_asks_for_a_second_factor_shows_its_boards_to_those_who_have_one(
    plant: Realms, postgres: Postgres
) -> None:
    board = await create(plant)
    give(plant, BERT, board, "READ")
    assert await listed(plant, BERT) == ["line"]
    postgres.run("UPDATE realms.project SET requires_factor = true")

    for attempt in (listed(plant, BERT), plant.boards.board_show(BERT, NameBoard(board.board_key))):
        assert (await refused(attempt))["code"] == "not_authorized"


async def test_a_credential_for_another_project_reaches_nothing(plant: Realms) -> None:
    board = await create(plant)
    elsewhere = Person(5, 11, "key-1", parse_scopes([f"all@project/{board.project_key + 1}"]))

    assert await listed(plant, elsewhere) == []
    assert (await refused(plant.boards.board_show(elsewhere, NameBoard(board.board_key))))["code"] == "not_found"
    assert (await refused(create(plant, "x", elsewhere)))["code"] == "not_found"


async def test_a_member_without_a_flag_sees_an_empty_list(plant: Realms) -> None:
    board = await create(plant)
    plant.rights.hold(7, project(board.project_key), MEMBER)

    assert await listed(plant, CARL) == []
