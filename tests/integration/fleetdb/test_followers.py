"""Who follows an app's data live stands in the audit log: what they were sent, summed up (decision 26)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.database import Postgres
from tests.integration.fleetdb.bus_world import there
from tests.integration.fleetdb.plain import Plain
from tests.integration.fleetdb.test_writes import OWN, follow, refused, row
from tests.integration.fleetdb.whole_world import Whole, whole
from tests.integration.router_node.node import Platform, eventually, judging
from tests.integration.router_node.wire import Peer

pytestmark = [pytest.mark.real, pytest.mark.asyncio]
ENTRIES = (
    "SELECT actor, asset, project, after, source->>'session', action FROM audit.queue"
    " WHERE source->>'session' = ANY (%s) ORDER BY id"
)


@pytest_asyncio.fixture(name="judged", autouse=True)
async def fixture_judged(stand_ins: Platform) -> AsyncIterator[list["asyncio.Task[None]"]]:
    """What boards rest on is judged."""
    async with judging(stand_ins.node) as saying:
        yield saying


@pytest_asyncio.fixture
async def world(stand_ins: Platform, postgres: Postgres, plain: Plain) -> AsyncIterator[Whole]:
    async with whole(stand_ins, postgres, plain) as made:
        yield made


async def recorded(world: Whole, followers: list[Peer], count: int) -> list[tuple[Any, ...]]:
    """What `followers` were sent, once there are so many entries; the router may still have sums of tests before."""
    sessions = [str(follower.session) for follower in followers]

    async def are_there() -> bool:
        await there(world.parts.followers.write_down())
        return len(world.server.rows(ENTRIES, sessions)) >= count

    await eventually(are_there)
    await there(world.parts.followers.write_down())
    return world.server.rows(ENTRIES, sessions)


async def test_what_another_app_and_a_board_were_sent_is_recorded_and_nothing_of_the_app_itself(world: Whole) -> None:
    backend = await world.install()
    world.stand_ins.grants.add((27, 26))
    board_ticket = world.stand_ins.board_ticket(OWN, "board_reader", account_key=5, board_key=9)
    async with (
        await world.node.app(7) as app,
        await world.node.app(8, 27, realm=OWN) as reader,
        await world.node.board(OWN, board_ticket) as board,
    ):
        own = await follow(app, "transformed.readings", "transformed.bulk.readings", "transformed.inside")
        heard = await follow(reader, "transformed.readings", "transformed.bulk.readings", "transformed.inside")
        seen = await follow(board, "transformed.inside")
        await app.call("append.1.26.readings", row(speed=1))
        await app.call("appendBulk.1.26.readings", [row(each, speed=each) for each in range(1, 4)])
        await app.call("append.1.26.inside", row(note="x"))
        await eventually(lambda: own["transformed.inside"] and seen["transformed.inside"])
        await eventually(lambda: heard["transformed.bulk.readings"])
        assert heard["transformed.inside"] == []
        assert await recorded(world, [app], 0) == []

    first, second = sorted(await recorded(world, [app, reader, board], 2), key=lambda entry: str(entry[3]["table"]))
    assert (first[0]["kind"], first[0]["key"], first[4]) == ("person", 5, str(board.session))
    assert (second[0]["kind"], second[0]["key"], second[4]) == ("device", 8, str(reader.session))
    for entry in (first, second):
        assert entry[1] == {"kind": "data_backend", "key": backend.backend_key}
        assert (entry[2], entry[5]) == (1, "data.read")
        assert 0 < entry[3].pop("from_ms") <= entry[3].pop("to_ms")
    about = {"app_key": 26, "stage": "DEV"}
    assert first[3] == {**about, "table": "inside", "rows": 1, "events": 1, "board_key": 9}
    assert second[3] == {**about, "table": "readings", "rows": 4, "events": 2, "reader_app_key": 27}


async def test_what_could_not_be_written_down_is_not_lost(world: Whole) -> None:
    await world.install()
    world.stand_ins.grants.add((27, 26))
    async with await world.node.app(7) as app, await world.node.app(8, 27, realm=OWN) as reader:
        heard = await follow(reader, "transformed.readings")
        await app.call("append.1.26.readings", row(speed=1))
        await eventually(lambda: heard["transformed.readings"])
    world.server.run("UPDATE audit.action SET service = 'svc_realms' WHERE tag = 'data.read'")

    async def has_failed() -> bool:
        try:
            await there(world.parts.followers.write_down())
        except Exception:  # noqa: BLE001 - whichever it is
            return True
        return False

    try:
        await eventually(has_failed)
    finally:
        world.server.run("UPDATE audit.action SET service = 'svc_fleetdb' WHERE tag = 'data.read'")
    ((_, _, _, after, *_),) = await recorded(world, [reader], 1)
    assert (after["rows"], after["reader_app_key"]) == (1, 27)


async def test_nobody_but_fleetdb_takes_them(world: Whole) -> None:
    node = world.node
    async with await node.service("devices", "ironflock.system") as devices, await node.person() as person:
        for peer in (devices, person):
            await refused(peer.call("ironflock.router.followed.take"), "wamp.error.not_authorized")
