"""Two real routers, each a cell: who belongs to one is let into no other, and a dead one takes nothing along."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import pytest
import pytest_asyncio
from attrs import frozen
from prometheus_client import REGISTRY

from shared.health import Health
from tests.integration.fleetdb.bus_world import document, fleetdb
from tests.integration.fleetdb.test_joining import Echo, Kept
from tests.integration.router_node.node import Node, Platform, eventually, judging, platform
from tests.integration.router_node.test_joins import NEUTRAL, PUBLISHED_TEXT, refusal
from tests.integration.router_node.wire import AbortedError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]
NOT_YET = "wamp.error.no_such_realm"


@frozen
class Cells:
    """The first one, and the one in the south, with the same stand-ins."""

    first: Platform
    south: Platform

    def live(self, cell: str) -> None:
        """Every project is in that cell."""
        self.first.cell = self.south.cell = cell


def parts_of(health: Health) -> dict[str, Any]:
    return cast("dict[str, Any]", health.report()["parts"])


@pytest.fixture(name="second", scope="module")
def fixture_second(shared_node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("south"), shared_node, cell="south").start()
    yield node
    node.stop()


@pytest_asyncio.fixture(name="cells")
async def fixture_cells(stand_ins: Platform, second: Node) -> AsyncIterator[Cells]:
    async with platform(second) as south:
        yield Cells(stand_ins, south)


async def test_a_device_joins_in_its_own_cell_and_is_a_stranger_in_the_other(cells: Cells) -> None:
    cells.live("south")
    first, south = cells.first.node, cells.south.node

    assert await refusal(first, "/ws-re-dev", "realm1", "1-31", "secret-31") == NEUTRAL
    async with await south.device(31) as device:
        assert device.details["authrole"] == "device"
    cells.live("first")
    assert await refusal(south, "/ws-re-dev", "realm1", "1-31", "secret-31") == NEUTRAL
    async with await first.device(31):
        pass
    assert '"cell": "south"' in first.log.read_text()


async def test_a_device_that_is_out_of_service_reads_so_wherever_it_comes(cells: Cells) -> None:
    cells.live("south")
    for each in (cells.first, cells.south):
        each.states["1-32"] = "ended"
        assert (await refusal(each.node, "/ws-re-dev", "realm1", "1-32", "secret-32"))[1] == PUBLISHED_TEXT
        assert await refusal(each.node, "/ws-re-dev", "realm1", "1-32", "wrong") == NEUTRAL


async def test_an_app_waits_in_the_other_cell_and_a_board_is_a_stranger_there(cells: Cells) -> None:
    cells.live("south")

    with pytest.raises(AbortedError) as waits:
        await cells.first.node.app(33)
    assert waits.value.reason == NOT_YET
    with pytest.raises(AbortedError) as refused:
        await cells.first.node.app(33, secret="wrong")
    assert (refused.value.reason, refused.value.message) == NEUTRAL
    async with await cells.south.node.app(33) as app:
        assert app.details["authrole"] == "app"
    async with judging(cells.first.node):
        with pytest.raises(AbortedError) as stranger:
            await cells.first.node.board("realm-1-26-dev", cells.first.board_ticket(cell="south"))
    assert (stranger.value.reason, stranger.value.message) == NEUTRAL


@pytest.mark.soak
async def test_a_cell_that_comes_back_is_served_again(cells: Cells, second: Node) -> None:
    async with fleetdb(cells.first, [Echo()], Kept(), {"south": second}) as world:
        await world.fakes.put(document(1, 26, cell="south"))
        await eventually(world.joined)
        second.stop()
        await eventually(lambda: not world.joined())

        second.start()

        await eventually(world.joined, 30)
        await eventually(lambda: all(part["ok"] for part in parts_of(world.health).values()), 30)


async def test_data_realms_are_served_in_the_cells_of_their_projects_and_a_dead_cell_takes_none_of_another_along(
    cells: Cells, second: Node
) -> None:
    cells.live("south")
    echo, hands = Echo(), Kept()
    async with fleetdb(cells.first, [echo], hands, {"south": second}) as world:
        await world.fakes.put(document(1, 26, cell="south"))
        await world.fakes.put(document(2, 26))
        await eventually(lambda: world.joined() == 2)
        async with await second.app(34) as app:
            assert (await app.call("append.1.26.readings", {"a": 1}))["device"] == 34
        cells.live("first")
        async with await cells.first.node.app(534) as app:
            assert (await app.call("append.2.26.readings", {"a": 1}))["device"] == 534

            second.stop()
            await eventually(lambda: world.joined() == 1)
            assert (await app.call("append.2.26.readings", {"a": 2}))["device"] == 534
            assert world.health.ready()
            assert not parts_of(world.health)["bus ironflock.system in cell south"]["ok"]
            await world.fakes.put(document(2, 27))
            await eventually(lambda: world.joined() == 2)
            assert REGISTRY.get_sample_value("ironflock_data_troubled_realms") == 0
