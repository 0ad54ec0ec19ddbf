"""Retention: its owner sets it, the database decides what is due, the tree does not notice."""

import pytest

from services.audit.procedures.retention import RetentionProcedures
from services.audit.records import NameProject, Retention, SetRetention
from services.audit.redacting import redact_due
from shared.errors import NotAuthorizedError, NotFoundError
from shared.flags import AssetKind
from tests.integration.audit.world import ANNA, BERT, MILL, PLANT, World, person

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@pytest.fixture(name="procedures")
def fixture_procedures(world: World) -> RetentionProcedures:
    return RetentionProcedures(world.database, world.projects)


def age(world: World, leaf_index: int, days: int) -> None:
    world.as_superuser(
        f"UPDATE audit.entry SET recorded_at = recorded_at - interval '{days} days'"  # noqa: S608
        f" WHERE leaf_index = {leaf_index}"
    )


async def test_a_project_s_owner_sets_it_and_it_is_recorded(world: World, procedures: RetentionProcedures) -> None:
    assert await procedures.retention_show(ANNA, NameProject("plant")) == Retention(1, None)

    assert await procedures.retention_set(ANNA, SetRetention("plant", 30)) == Retention(1, 30)
    assert await procedures.retention_set(ANNA, SetRetention(1, None)) == Retention(1, None)

    rows = world.postgres.rows("SELECT action, aspect, asset, project, before, after FROM audit.queue ORDER BY id")
    common = ("audit_retention.set", "retention", {"kind": "project", "key": 1}, 1)
    assert rows == [(*common, {"days": None}, {"days": 30}), (*common, {"days": 30}, {"days": None})]


async def test_it_is_seen_by_audit_and_set_by_delete(world: World, procedures: RetentionProcedures) -> None:
    world.rights.give(6, PLANT, AssetKind.PROJECT, PLANT, "READ")
    with pytest.raises(NotAuthorizedError, match="AUDIT"):
        await procedures.retention_show(BERT, NameProject("plant"))
    world.rights.give(6, PLANT, AssetKind.PROJECT, PLANT, "AUDIT")
    assert await procedures.retention_show(BERT, NameProject("plant")) == Retention(1, None)
    with pytest.raises(NotAuthorizedError, match="DELETE"):
        await procedures.retention_set(BERT, SetRetention(1, 30))
    assert world.postgres.rows("SELECT count(*) FROM audit.retention") == [(0,)]
    world.rights.give(6, PLANT, AssetKind.PROJECT, PLANT, "DELETE")

    assert await procedures.retention_set(BERT, SetRetention(1, 30)) == Retention(1, 30)


async def test_nobody_else_sets_or_sees_it(world: World, procedures: RetentionProcedures) -> None:
    with pytest.raises(NotFoundError):
        await procedures.retention_set(BERT, SetRetention(1, 30))
    with pytest.raises(NotFoundError):
        await procedures.retention_show(BERT, NameProject("plant"))

    assert world.postgres.rows("SELECT count(*) FROM audit.retention") == [(0,)]


async def test_what_is_due_loses_entry_and_salt_and_the_log_verifies(
    world: World, procedures: RetentionProcedures
) -> None:
    await procedures.retention_set(ANNA, SetRetention(1, 7))
    await world.recorded(3)
    await world.recorded(1, project=MILL, actor=person(6))
    for leaf_index in range(5):
        age(world, leaf_index, 6 if leaf_index == 2 else 8)
    last = await world.head()

    assert await redact_due(world.database) == 2
    assert await redact_due(world.database) == 0

    left = world.postgres.rows("SELECT leaf_index FROM audit.entry WHERE salt IS NOT NULL ORDER BY 1")
    gone = world.postgres.rows("SELECT entry::text FROM audit.entry WHERE salt IS NULL ORDER BY 1")
    graves = world.postgres.rows("SELECT leaf_index, cause, project FROM audit.redaction ORDER BY 1")
    assert left == [(0,), (2,), (4,)]  # who set the retention, what is not due yet, what is another project's
    assert all(text.count(",") == 14 and text.endswith(",,,,,,,,,,,,,)") for (text,) in gone)
    assert graves == [(1, "retention", 1), (3, "retention", 1)]
    await world.recorded(1)
    assert (await world.verified(last)).findings == ()


async def test_given_a_retention_that_was_taken_back_when_it_is_looked_then_nothing_goes(
    world: World, procedures: RetentionProcedures
) -> None:
    await world.recorded(1)
    age(world, 0, 100)
    await procedures.retention_set(ANNA, SetRetention(1, 7))
    await procedures.retention_set(ANNA, SetRetention(1, None))

    assert await redact_due(world.database) == 0
