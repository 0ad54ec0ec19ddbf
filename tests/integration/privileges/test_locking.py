"""Who may keep whom or what out, and let them in again, on a real database."""

from datetime import timedelta

import pytest
import pytest_asyncio

from services.privileges import locking
from services.privileges.records.grants import TakeFlags
from services.privileges.records.locks import CreateLock, EndLock, LockView
from shared.errors import ConflictError, InvalidArgumentError, NotAuthorizedError, NotFoundError, OverLimitError
from shared.flags import AssetKind
from shared.identities import Person
from shared.procedures import NoArguments
from shared.rights.records import LockKind, Rule
from tests.integration.database import Postgres
from tests.integration.privileges.world import ANNA, BERT, CARL, DEVICES, DORA, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE, PROJECT, INSTALLATION = AssetKind.DEVICE, AssetKind.PROJECT, AssetKind.INSTALLATION


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(privileges: Privileges) -> Privileges:
    """Bert's plant with device 3, and Carl in it; Anna runs the installation."""
    await privileges.project(owner=BERT)
    await privileges.device(3)
    await privileges.member(CARL, by=BERT)
    await privileges.inventory.ensure_operator()
    return privileges


async def lock(plant: Privileges, by: Person, kind: LockKind, key: object, **more: object) -> LockView:
    made: LockView = await plant.locks.lock_create(by, CreateLock(kind, str(key), **more))  # type: ignore[arg-type]
    return made


async def end(plant: Privileges, by: Person, made: LockView) -> None:
    await plant.locks.lock_end(by, EndLock(made.lock_key))


async def listed(plant: Privileges, person: Person) -> list[int]:
    return [each.lock_key for each in (await plant.locks.lock_list(person, NoArguments())).locks]


async def standing(plant: Privileges) -> list[tuple[str, str]]:
    return [(each.kind.value, each.key) for each in (await plant.services.lock_standing(DEVICES, NoArguments())).locks]


async def test_a_locked_person_has_no_flag(plant: Privileges, postgres: Postgres) -> None:
    made = await lock(plant, ANNA, LockKind.PERSON, "bert@plant.example", reason="stolen laptop")

    assert (made.kind, made.key, made.created_by, made.ends_at) == (LockKind.PERSON, "6", 5, None)
    assert (await plant.check(BERT, "READ", PROJECT, 1)).rule is Rule.LOCKED
    assert await standing(plant) == [("person", "6")]
    assert plant.news[-1]["changes"][0]["locks"]
    await end(plant, ANNA, made)

    assert await plant.has(BERT, "READ", PROJECT, 1)
    assert await standing(plant) == []
    rows = postgres.rows("SELECT action, asset, reason FROM audit.queue WHERE action LIKE 'lock.%' ORDER BY id")
    account = {"kind": "account", "key": 6}
    assert rows == [("lock.created", account, "stolen laptop"), ("lock.ended", account, None)]


async def test_people_are_locked_by_the_right_on_the_installation_alone(plant: Privileges) -> None:
    await plant.give(CARL, INSTALLATION, 1, "HEALTH")
    for person in (BERT, CARL):
        with pytest.raises(NotAuthorizedError):
            await lock(plant, person, LockKind.PERSON, 8)
    made = await lock(plant, ANNA, LockKind.PERSON, 8)
    refusals = []
    for key in (made.lock_key, made.lock_key + 1000):
        with pytest.raises(NotFoundError) as refused:
            await plant.locks.lock_end(BERT, EndLock(key))
        refusals.append(str(refused.value))
    assert refusals[0] == refusals[1]
    assert await listed(plant, BERT) == []


async def test_nobody_locks_themselves_out(plant: Privileges) -> None:
    for key in ("5", "anna@plant.example", "05"):
        with pytest.raises(ConflictError):
            await lock(plant, ANNA, LockKind.PERSON, key)


async def test_a_device_is_locked_by_grant_on_it(plant: Privileges) -> None:
    await plant.give(CARL, DEVICE, 3, "READ", "OPERATE", by=BERT)
    with pytest.raises(NotAuthorizedError):
        await lock(plant, CARL, LockKind.DEVICE, 3)
    with pytest.raises(NotFoundError):
        await lock(plant, DORA, LockKind.DEVICE, 3)
    with pytest.raises(NotFoundError):
        await lock(plant, BERT, LockKind.DEVICE, 4)
    await plant.give(CARL, DEVICE, 3, "GRANT", by=BERT)

    made = await lock(plant, CARL, LockKind.DEVICE, 3)

    assert (await plant.check(BERT, "OPERATE", DEVICE, 3)).rule is Rule.LOCKED
    assert await plant.has(BERT, "READ", DEVICE, 3)
    assert await listed(plant, CARL) == await listed(plant, BERT) == await listed(plant, ANNA) == [made.lock_key]
    with pytest.raises(ConflictError):
        await lock(plant, BERT, LockKind.DEVICE, 3)
    await end(plant, BERT, made)  # the same right ends it
    assert await plant.has(CARL, "OPERATE", DEVICE, 3)


async def test_a_lock_of_the_operators_is_ended_by_them_alone(plant: Privileges) -> None:
    made = await lock(plant, ANNA, LockKind.DEVICE, 3)
    assert await listed(plant, BERT) == [made.lock_key]

    with pytest.raises(NotAuthorizedError):
        await end(plant, BERT, made)
    await end(plant, ANNA, made)

    own = await lock(plant, BERT, LockKind.PROJECT, 1)
    await end(plant, ANNA, own)
    with pytest.raises(NotFoundError):
        await end(plant, ANNA, own)


async def test_a_locked_project_lets_itself_be_seen_and_unlocked(plant: Privileges) -> None:
    await plant.give(CARL, DEVICE, 3, "READ", "MAINTAIN", by=BERT)
    made = await lock(plant, BERT, LockKind.PROJECT, 1)

    for kind, key, flag in ((PROJECT, 1, "GRANT"), (DEVICE, 3, "MAINTAIN")):
        assert (await plant.check(BERT, flag, kind, key)).rule is Rule.LOCKED
    assert await plant.has(CARL, "READ", DEVICE, 3)
    with pytest.raises(NotAuthorizedError):
        await plant.give(CARL, DEVICE, 3, "UPDATE", by=BERT)
    await plant.grants.grant_take(BERT, TakeFlags(7, DEVICE, 3, ["READ"]))  # the owner can always take
    await end(plant, BERT, made)
    assert await plant.has(CARL, "MAINTAIN", DEVICE, 3)


async def test_an_api_key_is_locked_by_its_own_person_or_the_operators(plant: Privileges) -> None:
    """`k7` is Carl's."""
    for stranger in (BERT, DORA):
        with pytest.raises(NotFoundError):
            await lock(plant, stranger, LockKind.API_KEY, "k7")
    own = await lock(plant, CARL, LockKind.API_KEY, "k7")
    assert await standing(plant) == [("api_key", "k7")]
    with pytest.raises(NotFoundError):
        await end(plant, BERT, own)
    await end(plant, CARL, own)

    theirs = await lock(plant, ANNA, LockKind.API_KEY, "k7")
    with pytest.raises(NotAuthorizedError):
        await end(plant, CARL, theirs)


@pytest.mark.parametrize("key", ["none", "a\x00b", "\ud800", "x" * 400])
async def test_a_key_that_is_not_there_is_locked_by_nobody(plant: Privileges, postgres: Postgres, key: str) -> None:
    for person in (ANNA, CARL):
        with pytest.raises(NotFoundError):
            await lock(plant, person, LockKind.API_KEY, key)

    assert postgres.rows("SELECT 1 FROM privileges.lock") == []


async def test_a_key_that_is_gone_since_can_be_unlocked_by_the_operators(plant: Privileges) -> None:
    made = await lock(plant, CARL, LockKind.API_KEY, "k7")
    plant.others.keys.clear()

    await end(plant, ANNA, made)

    assert await standing(plant) == []


@pytest.mark.parametrize("kind", [LockKind.DEVICE, LockKind.PROJECT])
@pytest.mark.parametrize("key", ["0", "-3", "03", "3.0", "\u0663", "x", "9" * 30, " 3"])
async def test_a_key_is_a_number(plant: Privileges, kind: LockKind, key: str) -> None:
    with pytest.raises(InvalidArgumentError):
        await lock(plant, ANNA, kind, key)


async def test_a_lock_ends_by_itself_and_another_takes_its_place(plant: Privileges) -> None:
    ends = plant.clock.now + timedelta(hours=2)
    made = await lock(plant, BERT, LockKind.DEVICE, 3, ends_at=ends)
    assert made.ends_at == ends
    plant.clock.turn(hours=2)

    assert await plant.has(BERT, "OPERATE", DEVICE, 3)
    assert await listed(plant, BERT) == []
    assert await standing(plant) == []
    with pytest.raises(NotFoundError):
        await end(plant, BERT, made)
    again = await lock(plant, BERT, LockKind.DEVICE, 3)
    assert again.ends_at is None
    assert (await plant.check(BERT, "OPERATE", DEVICE, 3)).rule is Rule.LOCKED


async def test_a_lock_that_ends_does_so_within_a_year(plant: Privileges) -> None:
    for late in (timedelta(days=366, seconds=1), timedelta(0), -timedelta(days=1)):
        with pytest.raises(InvalidArgumentError):
            await lock(plant, BERT, LockKind.DEVICE, 3, ends_at=plant.clock.now + late)

    await lock(plant, BERT, LockKind.DEVICE, 3, ends_at=plant.clock.now + timedelta(days=366))


async def test_no_more_locks_stand_than_fit_and_the_operators_have_room_of_their_own(
    plant: Privileges, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (locking.MAX_LOCKS, locking.MAX_OF_OTHERS, locking.MAX_OF_ONE) == (1_000, 500, 50)
    monkeypatch.setattr(locking, "MAX_LOCKS", 3)
    monkeypatch.setattr(locking, "MAX_OF_OTHERS", 1)
    first = await lock(plant, BERT, LockKind.DEVICE, 3)
    with pytest.raises(OverLimitError):
        await lock(plant, BERT, LockKind.PROJECT, 1)

    await lock(plant, ANNA, LockKind.PERSON, 8)
    await lock(plant, ANNA, LockKind.PERSON, 7)

    with pytest.raises(OverLimitError):
        await lock(plant, ANNA, LockKind.PROJECT, 1)
    await end(plant, BERT, first)
    await lock(plant, BERT, LockKind.PROJECT, 1)


async def test_a_locked_operator_locks_nobody(plant: Privileges) -> None:
    await plant.give(DORA, INSTALLATION, 1, "LOCK", "GRANT")
    await lock(plant, ANNA, LockKind.PERSON, 8)

    with pytest.raises(NotAuthorizedError):
        await lock(plant, DORA, LockKind.PERSON, 5)


async def test_what_the_owner_locked_only_the_owner_and_the_operators_unlock(plant: Privileges) -> None:
    await plant.give(CARL, DEVICE, 3, "READ", "GRANT", by=BERT)
    owners = await lock(plant, BERT, LockKind.DEVICE, 3)
    with pytest.raises(NotAuthorizedError, match="owner"):
        await end(plant, CARL, owners)
    await end(plant, BERT, owners)

    theirs = await lock(plant, CARL, LockKind.DEVICE, 3)
    await end(plant, BERT, theirs)
    await end(plant, ANNA, await lock(plant, BERT, LockKind.DEVICE, 3))
