"""The SQL of realms: what the procedures do not show of it."""

import pytest
from psycopg.errors import UniqueViolation

from services.realms.store import projects as store
from shared.database import Database

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_the_database_decides_on_the_canonical_form(realms_database: Database) -> None:
    async with realms_database.transaction() as connection:
        first = await store.project_insert(
            connection, name="A", name_canonical="a", description="", owner_account_key=5, cluster_key=1, cell_key=1
        )

    with pytest.raises(UniqueViolation):
        async with realms_database.transaction() as connection:
            await store.project_insert(
                connection, name="B", name_canonical="a", description="", owner_account_key=5, cluster_key=1, cell_key=1
            )

    async with realms_database.transaction() as connection:
        keys = [first.project_key]
        assert await store.project_find(connection, first.project_key) == first
        assert await store.project_find_by_name(connection, keys, "a") == [first]
        assert await store.project_find_by_name(connection, [first.project_key + 1], "a") == []
        assert await store.project_find_by_name(connection, keys, "A") == []


async def test_a_list_begins_behind_its_key_and_ends_at_its_limit(realms_database: Database) -> None:
    async with realms_database.transaction() as connection:
        keys = [
            (
                await store.project_insert(
                    connection,
                    name=name,
                    name_canonical=name,
                    description="",
                    owner_account_key=5,
                    cluster_key=1,
                    cell_key=1,
                )
            ).project_key
            for name in "abcde"
        ]
        found = await store.project_list(connection, keys[:4], after=keys[1], limit=5)

    assert [project.project_key for project in found] == keys[2:4]
