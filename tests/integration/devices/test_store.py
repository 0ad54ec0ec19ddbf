"""The SQL of devices: what the rooms above do not show of it."""

from uuid import uuid4

import pytest
from psycopg.errors import CheckViolation, ForeignKeyViolation, UniqueViolation

from services.devices.records.devices import Reach
from services.devices.store import devices as store
from services.devices.store.projects import project_upsert
from shared.database import Connection, Database
from shared.scopes import EVERYTHING

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def project(connection: Connection, key: int = 3, name: str = "plant") -> None:
    await project_upsert(connection, project_key=key, name=name, owner_account_key=5, owner_name="owner")


def whole(*projects: int) -> Reach:
    """All of these projects."""
    return Reach(frozenset(projects), frozenset(), frozenset(), frozenset(), EVERYTHING)


async def insert(connection: Connection, name: str = "a", project_key: int = 3) -> int:
    return await store.device_insert(
        connection, project_key=project_key, name=name, name_canonical=name, description="", serial_number=uuid4()
    )


async def test_what_is_known_of_a_project_follows_realms(devices_database: Database) -> None:
    async with devices_database.transaction() as connection:
        await project(connection)
        key = await insert(connection)
        await project(connection, name="works")
        device = await store.device_find(connection, key)

    assert device is not None
    assert device.project_name == "works"


async def test_the_database_decides_on_names_projects_and_sessions(devices_database: Database) -> None:
    async with devices_database.transaction() as connection:
        await project(connection)
        key = await insert(connection)

    with pytest.raises(UniqueViolation):
        async with devices_database.transaction() as connection:
            await insert(connection)
    with pytest.raises(ForeignKeyViolation):
        async with devices_database.transaction() as connection:
            await insert(connection, "b", 99)
    with pytest.raises(CheckViolation):
        async with devices_database.transaction() as connection:
            await connection.execute("UPDATE devices.device SET session = 1 WHERE device_key = %s", [key])
    with pytest.raises(CheckViolation):
        async with devices_database.transaction() as connection:
            await connection.execute("UPDATE devices.device SET state = 'flashing' WHERE device_key = %s", [key])


async def test_only_the_flash_that_began_can_end(devices_database: Database) -> None:
    first, second = uuid4(), uuid4()
    async with devices_database.transaction() as connection:
        await project(connection)
        key = await insert(connection)
        await store.device_begin_flashing(connection, key, first)
        await store.device_begin_flashing(connection, key, second)

        assert not await store.device_end_flashing(connection, key, first)
        assert await store.device_end_flashing(connection, key, second)
        assert not await store.device_end_flashing(connection, key, second)


async def test_only_a_device_that_is_to_go_can_go(devices_database: Database) -> None:
    async with devices_database.transaction() as connection:
        await project(connection)
        key = await insert(connection)

        assert not await store.device_delete(connection, key)
        await store.device_begin_deleting(connection, key)
        assert await store.device_delete(connection, key)
        assert not await store.device_delete(connection, key)


async def test_a_status_of_a_device_that_is_gone_changes_nothing(devices_database: Database) -> None:
    async with devices_database.transaction() as connection:
        assert not await store.device_set_status(connection, 99, status="CONNECTED", session=1, stats={})


async def test_a_name_is_looked_for_in_the_named_projects_only(devices_database: Database) -> None:
    async with devices_database.transaction() as connection:
        for number in (3, 4, 5):
            await project(connection, number, f"p{number}")
            await insert(connection, "a", number)
        found = await store.device_find_by_name(connection, whole(3, 5), "a")
        nowhere = await store.device_find_by_name(connection, whole(), "a")

    assert [device.project_key for device in found] == [3, 5]
    assert nowhere == []
