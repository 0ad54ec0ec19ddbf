"""An erased owner's name goes from the registry, however devices comes to know of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.devices import owners
from services.devices.owners import TOPIC, Owners
from shared.health import Health
from shared.identities import SYSTEM_REALM
from shared.service import forever
from tests.harness.waiting import eventually
from tests.integration.devices.world import BERT, World, refusal

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
FIND_ERASED = "ironflock.auth.account.find_erased"


def names(world: World) -> list[tuple[int, str]]:
    """The name of each project's owner."""
    return [tuple(row) for row in world.postgres.rows("SELECT project_key, owner_name FROM devices.project ORDER BY 1")]


async def populate(world: World) -> None:
    for project in (3, 4):
        await world.create(project=project)
    await world.create(project=9, person=BERT)


@asynccontextmanager
async def running(owners: Owners) -> AsyncIterator[None]:
    """Its loop, during the block."""
    task = asyncio.create_task(forever("owners", owners.following.keep_true, Health(), pause_s=0.01))
    try:
        yield
    finally:
        task.cancel()


async def test_the_name_goes_when_auth_tells_of_the_erasure(world: World) -> None:
    await populate(world)

    world.router.publish(SYSTEM_REALM, TOPIC, account_key=5)
    await world.settle()

    assert names(world) == [(3, "erased"), (4, "erased"), (9, "person 6")]


@pytest.mark.parametrize("said", [{"account_key": "5"}, {"account_key": None}, {"account_key": 5.0}])
async def test_an_event_of_another_form_changes_nothing(world: World, said: dict[str, Any]) -> None:
    await populate(world)

    world.router.publish(SYSTEM_REALM, TOPIC, **said)
    await world.settle()

    assert ("erased") not in dict(names(world)).values()


async def test_what_was_missed_is_found_by_asking(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "BATCH", 1)
    await populate(world)
    world.router.answers[FIND_ERASED] = lambda *, account_keys: [key for key in account_keys if key == 6]

    await world.owners.compare()

    assert names(world) == [(3, "person 5"), (4, "person 5"), (9, "erased")]
    asked = [said["account_keys"] for uri, _, said in world.router.calls if uri == FIND_ERASED]
    assert asked == [[5], [6]]


async def test_nobody_is_asked_about_who_has_no_name_any_more(world: World) -> None:
    await populate(world)
    world.router.answers[FIND_ERASED] = lambda *, account_keys: account_keys
    await world.owners.compare()
    before = len(world.router.calls)

    await world.owners.compare()

    assert len(world.router.calls) == before
    assert set(dict(names(world)).values()) == {"erased"}


async def test_given_auth_away_after_a_join_when_it_is_back_then_the_owners_are_compared(
    world: World,
) -> None:
    await populate(world)
    asked: list[list[int]] = []

    def answer(*, account_keys: list[int]) -> list[int]:
        asked.append(account_keys)
        if len(asked) < 3:
            raise refusal("unavailable")
        return account_keys

    world.router.answers[FIND_ERASED] = answer
    async with running(world.owners):
        await world.router.join(world.bus, SYSTEM_REALM)

        async def forgotten() -> bool:
            return set(dict(names(world)).values()) == {"erased"}

        await eventually(forgotten, 5, "the names are gone")
