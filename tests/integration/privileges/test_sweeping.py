"""What ended a day ago leaves the tables and stays in the history."""

from datetime import timedelta

import pytest
import pytest_asyncio

from services.privileges.records.locks import CreateLock
from services.privileges.records.members import Invite, NameMember, NameProject
from services.privileges.sweeping import Sweeping
from shared.errors import UnavailableError
from shared.flags import AssetKind
from shared.rights.records import LockKind
from tests.integration.database import Postgres
from tests.integration.privileges.world import ANNA, AWAY, BERT, CARL, NAMES, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE = AssetKind.DEVICE
TABLES = ("held_flag", "invitation", "transfer", "lock")


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(privileges: Privileges) -> Privileges:
    """Anna's plant with device 3, and Bert in it."""
    await privileges.project()
    await privileges.device(3)
    await privileges.member(BERT)
    return privileges


def counts(postgres: Postgres) -> list[int]:
    return [postgres.rows(f"SELECT count(*) FROM privileges.{table}")[0][0] for table in TABLES]  # noqa: S608


async def test_what_has_ended_goes_a_day_later_and_what_lasts_stays(plant: Privileges, postgres: Postgres) -> None:
    begin, end = plant.clock.now, plant.clock.now + timedelta(hours=1)
    await plant.give(BERT, DEVICE, 3, "READ", ends_at=end)
    await plant.give(BERT, DEVICE, 3, "OPERATE")
    await plant.members.invitation_create(ANNA, Invite(1, NAMES[7]))
    await plant.transfers.transfer_offer(ANNA, NameMember(1, NAMES[7]))
    await plant.locks.lock_create(ANNA, CreateLock(LockKind.DEVICE, "3", end))
    await plant.locks.lock_create(ANNA, CreateLock(LockKind.PROJECT, "1"))
    sweeping = Sweeping(plant.database)
    plant.clock.turn(hours=25)
    await sweeping.sweep()
    assert counts(postgres) == [2, 1, 1, 2]  # a day ago to the second
    plant.clock.turn(seconds=1)
    await sweeping.sweep()
    assert counts(postgres) == [1, 1, 1, 1]
    plant.clock.turn(days=7)
    await sweeping.sweep()
    assert counts(postgres) == [1, 1, 0, 1]
    plant.clock.turn(days=7)

    await sweeping.sweep()

    assert counts(postgres) == [1, 0, 0, 1]
    assert await plant.has(BERT, "READ", DEVICE, 3, at=begin)
    assert not await plant.has(BERT, "READ", DEVICE, 3, at=end)


async def test_an_accepted_transfer_is_kept_until_it_is_carried_out(plant: Privileges, postgres: Postgres) -> None:
    await plant.transfers.transfer_offer(ANNA, NameMember(1, NAMES[7]))
    plant.others.refuses["ironflock.realms.project.set_owner"] = AWAY
    with pytest.raises(UnavailableError):
        await plant.transfers.transfer_accept(CARL, NameProject(1))
    plant.clock.turn(days=30)

    await Sweeping(plant.database).sweep()

    assert counts(postgres)[2] == 1
