"""Old containers are let in until an end, of which the routers are told."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.realms.records.projects import NameProject, SetLegacyMode
from services.realms.records.values import LegacyMode
from tests.integration.database import Postgres
from tests.integration.realms.world import ANNA, Realms

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
CHANGED = "ironflock.realms.legacy_mode.changed"
TAG = "project.legacy_mode_changed"
UNTIL = datetime.now(UTC) + timedelta(days=30)  # noqa: TID251 - the same machine's clock


def told(world: Realms) -> list[str]:
    return [said["mode"] for topic, said in world.published if topic == CHANGED]


async def choose(world: Realms, mode: LegacyMode, until: datetime | None = UNTIL) -> None:
    await world.projects.project_set_legacy_mode(ANNA, SetLegacyMode("plant", mode, until))


async def test_the_routers_are_told_of_each_change_once(world: Realms) -> None:
    key = await world.project()
    for mode in (LegacyMode.DUAL, LegacyMode.DUAL, LegacyMode.OWN_REALM_ONLY):
        await choose(world, mode)
    await choose(world, LegacyMode.STRICT, None)

    assert told(world) == ["dual", "own_realm_only", "strict"]
    assert {said["project_key"] for topic, said in world.published if topic == CHANGED} == {key}


async def test_a_router_that_is_away_is_told_when_it_is_back(world: Realms) -> None:
    await world.project()
    world.others.routers[0].fails = TimeoutError()
    await choose(world, LegacyMode.DUAL)
    assert told(world) == []
    world.others.routers[0].fails = None

    await world.announcing.keep_up()

    assert told(world) == ["dual"]


async def test_the_end_that_was_set_is_one(world: Realms, postgres: Postgres) -> None:
    await world.project()
    await world.project("other")
    await choose(world, LegacyMode.DUAL)
    await world.legacy.end_due()
    assert (await world.projects.project_show(ANNA, NameProject("plant"))).legacy_mode is LegacyMode.DUAL
    postgres.run("UPDATE realms.project SET legacy_until = now() WHERE legacy_mode = 'dual'")

    await asyncio.gather(world.legacy.end_due(), world.legacy.end_due())
    await world.announcing.keep_up()

    found = await world.projects.project_show(ANNA, NameProject("plant"))
    assert (found.legacy_mode, found.legacy_until) == (LegacyMode.STRICT, None)
    assert told(world) == ["dual", "strict"]
    said = "SELECT actor ->> 'kind', before ->> 'legacy_mode', after ->> 'legacy_mode' FROM audit.queue"
    assert postgres.rows(said + " WHERE action = %s ORDER BY id", TAG) == [
        ("person", "strict", "dual"),
        ("service", "dual", "strict"),
    ]
