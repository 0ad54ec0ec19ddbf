"""Alerts as they come, to who may see the project, for as long as they may."""

import asyncio
from typing import Any

import pytest
from attrs import asdict

from services.devices.alerts import feed as alert_feed
from services.devices.procedures.alerts import AlertProcedures
from services.devices.records.alerts import NameProject
from shared.errors import NotFoundError, OverLimitError, UnavailableError
from shared.flags import AssetKind
from shared.identities import SYSTEM_REALM, Person
from shared.rights.records import Standing, project_domain
from tests.integration.devices.alerts import Times
from tests.integration.devices.test_alerting import STOPPED, raised, resolved
from tests.integration.devices.world import ANNA, BERT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


class Watch:
    """What one watch has said."""

    def __init__(self, world: World, person: Person) -> None:
        """It runs beside."""
        self.said: asyncio.Queue[Any] = asyncio.Queue()
        surface = AlertProcedures(world.parts)
        self.task = asyncio.create_task(surface.alert_watch(person, NameProject(3), self.said.put_nowait))

    async def next(self) -> dict[str, Any]:
        """What it says next."""
        async with asyncio.timeout(30):
            return asdict(await self.said.get())

    async def refusal(self, kind: type[Exception]) -> None:
        """It ends so."""
        with pytest.raises(kind):
            async with asyncio.timeout(30):
                await self.task


async def test_a_watch_shows_what_is_open_then_each_change_and_ends_with_the_right(world: World) -> None:
    Times(world).devices(1)
    await raised(world, STOPPED)
    reader = world.member(3, AssetKind.PROJECT, 3, "READ")
    watch = Watch(world, reader)

    shown = await watch.next()
    assert [alert["subject"] for alert in shown["alerts"]] == ["rollout/4"]
    await world.parts.alerts.feed.tell_untold()
    assert (await watch.next())["alert"]["state"] == "open"
    await resolved(world, STOPPED)
    assert await world.parts.alerts.feed.tell_untold() == 1
    assert await world.parts.alerts.feed.tell_untold() == 0
    assert (await watch.next())["alert"]["state"] == "resolved"

    world.rights.hold(reader.account_key, project_domain(3), Standing(is_owner=False, is_member=True))
    await watch.refusal(NotFoundError)


async def test_who_may_not_see_the_project_watches_nothing(world: World) -> None:
    Times(world).devices(1)
    await Watch(world, BERT).refusal(NotFoundError)


async def test_a_watch_that_may_have_missed_something_ends(world: World) -> None:
    Times(world).devices(1)
    watch = Watch(world, ANNA)
    await watch.next()
    world.system.lose()
    await world.join()

    await watch.refusal(UnavailableError)


async def test_a_change_that_could_not_be_told_is_told_when_the_bus_is_back(world: World) -> None:
    Times(world).devices(1)
    await raised(world, STOPPED)
    world.system.lose()
    with pytest.raises(UnavailableError):
        await world.parts.alerts.feed.tell_untold()

    world.system = await world.router.join(world.bus, SYSTEM_REALM)
    assert await world.parts.alerts.feed.tell_untold() == 1
    assert alert_feed.TOPIC in [topic for topic, _ in world.router.published]


async def test_more_watches_than_there_may_be_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    Times(world).devices(1)
    monkeypatch.setattr(alert_feed, "MAX_FOLLOWERS", 0)

    await Watch(world, ANNA).refusal(OverLimitError)
