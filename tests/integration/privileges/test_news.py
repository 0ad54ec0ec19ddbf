"""The stream of changes: every change once, in its order, without gaps; and where it stands."""

import asyncio

import msgspec
import pytest
import pytest_asyncio

from services.privileges import rules
from services.privileges.records.members import Invite, NameMember
from shared.errors import ConflictError, NotFoundError
from shared.flags import AssetKind
from shared.rights.records import project_domain
from shared.rights.wire import Change, News
from tests.integration.database import Postgres
from tests.integration.privileges.world import ANNA, BERT, CARL, NAMES, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE = AssetKind.DEVICE


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(privileges: Privileges) -> Privileges:
    """Anna's plant with device 3, and Bert in it."""
    await privileges.project()
    await privileges.device(3)
    await privileges.member(BERT)
    return privileges


def told(plant: Privileges) -> list[News]:
    return [msgspec.convert(each, News) for each in plant.news]


def position(postgres: Postgres) -> int:
    found: int = postgres.rows("SELECT position FROM privileges.stream")[0][0]
    return found


async def test_each_change_is_told_once_with_whom_it_concerns(plant: Privileges, postgres: Postgres) -> None:
    before = position(postgres)

    await plant.give(BERT, DEVICE, 3, "READ", "OPERATE")
    await plant.device(4)

    given, put = told(plant)[-2:]
    assert (given.position, put.position) == (before + 1, before + 2) == (position(postgres) - 1, position(postgres))
    assert [(each.position, each.domain, each.accounts, each.everybody) for each in given.changes] == [
        (before + 1, project_domain(1), (6,), False)
    ]
    assert put.changes[0].everybody
    assert [news.position for news in told(plant)] == list(range(1, position(postgres) + 1))


async def test_what_changes_no_right_takes_no_position(plant: Privileges, postgres: Postgres) -> None:
    before, said = position(postgres), len(plant.news)

    await plant.members.invitation_create(ANNA, Invite(1, NAMES[7]))
    await plant.transfers.transfer_offer(ANNA, NameMember(1, NAMES[7]))
    with pytest.raises(ConflictError):
        await plant.give(ANNA, DEVICE, 3, "READ")

    assert (position(postgres), len(plant.news)) == (before, said)


async def test_a_change_that_was_rolled_back_is_not_told_and_leaves_no_gap(
    plant: Privileges, postgres: Postgres
) -> None:
    before, said = position(postgres), len(plant.news)
    lines = postgres.rows("SELECT count(*) FROM privileges.change")

    async def crash() -> None:
        async with plant.ledger.turn(project_domain(1), ANNA) as turn:
            turn.write([rules.member_line(7, is_on=True)])
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        await crash()

    assert (position(postgres), len(plant.news)) == (before, said)
    assert postgres.rows("SELECT count(*) FROM privileges.change") == lines
    await plant.give(BERT, DEVICE, 3, "READ")
    assert told(plant)[-1].position == before + 1


async def test_a_turn_in_what_is_not_there_is_none(plant: Privileges) -> None:
    with pytest.raises(NotFoundError, match="who knows"):
        async with plant.ledger.turn(project_domain(77), ANNA, absent="who knows"):
            pass


async def test_a_beat_says_where_the_stream_stands_and_nothing_else(plant: Privileges, postgres: Postgres) -> None:
    await plant.announcer.beat()

    assert told(plant)[-1] == News(position(postgres), ())


async def test_changes_in_many_projects_at_once_are_told_in_the_order_of_their_positions(
    plant: Privileges, postgres: Postgres
) -> None:
    for key in range(2, 6):
        await plant.project(key, ANNA, f"p{key}")
        await plant.device(10 + key, key)
        await plant.member(CARL, key)
    said = len(plant.news)

    await asyncio.gather(
        *(plant.give(CARL, DEVICE, 10 + key, flag) for flag in ("READ", "OPERATE", "UPDATE") for key in range(2, 6))
    )

    positions = [news.position for news in told(plant)[said:]]
    assert positions == list(range(position(postgres) - 11, position(postgres) + 1))
    written = postgres.rows("SELECT DISTINCT position FROM privileges.change ORDER BY 1")
    assert [each for (each,) in written] == list(range(1, position(postgres) + 1))


async def test_whatever_order_commits_are_heard_in_they_are_told_in_that_of_their_positions(plant: Privileges) -> None:
    said, domain = len(plant.news), project_domain(1)
    first, second, third, fourth = (
        plant.announcer.expect(Change(100 + number, domain, (), everybody=True, locks=False)) for number in range(4)
    )

    plant.announcer.settle(third, is_committed=True)
    plant.announcer.settle(second, is_committed=False)
    assert told(plant)[said:] == []
    plant.announcer.settle(first, is_committed=True)
    assert [news.position for news in told(plant)[said:]] == [100, 102]
    plant.announcer.settle(fourth, is_committed=True)

    assert [news.position for news in told(plant)[said:]] == [100, 102, 103]
