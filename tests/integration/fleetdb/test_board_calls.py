"""Boards on a served data realm: what people read is recorded, what they write is theirs and no device's."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.database import Postgres
from tests.integration.fleetdb.plain import Plain
from tests.integration.fleetdb.test_writes import NO_SUCH, OWN, follow, refused, row
from tests.integration.fleetdb.whole_world import Whole, whole
from tests.integration.router_node.node import Platform, eventually, judging
from tests.integration.router_node.wire import Peer

pytestmark = [pytest.mark.real, pytest.mark.asyncio]
NOT_AUTHORIZED = "wamp.error.not_authorized"


@pytest_asyncio.fixture(name="judged", autouse=True)
async def fixture_judged(stand_ins: Platform) -> AsyncIterator[list["asyncio.Task[None]"]]:
    """What boards rest on is judged."""
    async with judging(stand_ins.node) as saying:
        yield saying


@pytest_asyncio.fixture
async def world(stand_ins: Platform, postgres: Postgres, plain: Plain) -> AsyncIterator[Whole]:
    async with whole(stand_ins, postgres, plain) as made:
        yield made


async def join(world: Whole, role: str, account_key: int = 5, board_key: int = 9) -> Peer:
    ticket = world.stand_ins.board_ticket(OWN, role, account_key=account_key, board_key=board_key)
    return await world.node.board(OWN, ticket)


async def test_a_reader_reads_all_tables_and_follows_and_each_read_is_recorded(world: Whole) -> None:
    backend = await world.install()
    async with await world.node.app(7) as app, await join(world, "board_reader") as board:
        heard = await follow(board, "transformed.readings", "transformed.inside")
        await app.call("append.1.26.readings", row(speed=1))
        await app.call("append.1.26.inside", row(note="x"))
        await eventually(lambda: all(heard.values()))

        query = {"limit": 10, "timeRange": [1772323200000, None]}
        assert [each["speed"] for each in await board.call("history.transformed.readings", query)] == [1]
        assert [each["note"] for each in await board.call("history.transformed.inside", {"limit": 1})] == ["x"]
        span = ["2026-03-01T00:00:00Z", "2026-03-01T00:00:06Z"]
        series = {"metrics": [{"ref": "speed", "method": "SUM"}], "limit": 2, "timeRange": span}
        assert [each["SUM:speed"] for each in await board.call("history.transformed.series.readings", series)] == [1]

    entries = world.server.rows("SELECT action, actor, asset, after FROM audit.queue ORDER BY 1, (after->>'table')")
    assert {entry[0] for entry in entries} == {"data.read"}
    assert {(entry[1]["kind"], entry[1]["key"]) for entry in entries} == {("person", 5)}
    assert [(entry[3]["table"], entry[3]["rows"], entry[3]["board_key"]) for entry in entries] == [
        ("inside", 1, 9),
        ("readings", 1, 9),
        ("readings", 1, 9),
    ]
    assert entries[0][2] == {"kind": "data_backend", "key": backend.backend_key}


async def test_the_boards_of_one_person_are_told_apart(world: Whole) -> None:
    await world.install()
    async with await join(world, "board_reader") as first, await join(world, "board_reader", board_key=10) as second:
        for board in (first, second, first):
            await board.call("history.transformed.readings", {"limit": 1})

    read = world.server.rows("SELECT (after->>'board_key')::int, count(*) FROM audit.queue GROUP BY 1 ORDER BY 1")
    assert read == [(9, 2), (10, 1)]


async def test_a_writer_s_rows_are_its_person_s_and_no_device_s(world: Whole) -> None:
    backend = await world.install()
    async with await world.node.app(7) as app, await join(world, "board_writer") as board:
        heard = await follow(app, "transformed.readings", "transformed.bulk.readings")
        assert await board.call("append.1.26.readings", row(speed=1)) == {"success": True}
        assert await board.call("appendBulk.1.26.readings", [row(1, speed=2)]) == {"success": True, "count": 1}
        await board.publish("1.26.readings", row(2, speed=3))
        await board.publish("bulk.1.26.readings", [row(3, speed=4)])
        await eventually(lambda: sum(map(len, heard.values())) == 4)

        stored = await world.rows(backend, "SELECT speed, device_key, authid FROM readings ORDER BY tsp")
        assert stored == [(speed, -1, "5") for speed in (1, 2, 3, 4)]


async def test_a_form_that_names_a_device_is_refused_and_recorded(world: Whole) -> None:
    backend = await world.install()
    async with await join(world, "board_writer") as board:
        await refused(board.call("append.1.26.readings", row(), DEVICE_KEY="7"), NOT_AUTHORIZED)
        await refused(board.call("append.1.26.readings", row(DEVICE_KEY=7)), NOT_AUTHORIZED)

    assert await world.rows(backend, "SELECT count(*) FROM readings") == [(0,)]
    ((actor,),) = world.server.rows("SELECT actor FROM audit.queue WHERE action = 'data.impersonated'")
    assert (actor["kind"], actor["key"]) == ("person", 5)


async def test_the_current_user_is_the_board_s_person(world: Whole) -> None:
    await world.install()
    query = {"limit": 10, "filterAnd": [{"column": "note", "operator": "IS CURRENT USER"}]}
    async with await world.node.app(7) as app, await join(world, "board_reader", 6) as board:
        for second, note in enumerate(("5", "6", "77")):
            await app.call("append.1.26.readings", row(second, note=note))

        assert [each["note"] for each in await board.call("history.transformed.readings", query)] == ["6"]
        assert await app.call("history.transformed.readings", query) == []


async def test_secrets_and_other_apps_are_not_for_boards(world: Whole) -> None:
    await world.install()
    async with await world.node.app(7) as app, await join(world, "board_writer") as board:
        await app.call("append.1.26.vault", row(name="door", pin="hunter2"))
        (read,) = await board.call("history.transformed.vault", {"limit": 1})
        assert read["pin"] == "__secret__"
        for uri in ("secret.reveal.vault", "secret.verify.vault", "sys.appaccess.list", "sys.appaccess.resolve"):
            await refused(board.call(uri, {"limit": 1}), NOT_AUTHORIZED)
        await refused(board.call("history.transformed.nothing", {"limit": 1}), NO_SUCH)
