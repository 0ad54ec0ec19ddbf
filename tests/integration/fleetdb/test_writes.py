"""Rows that come in on the bus: stored, told to followers, refused in the published words."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.database import Postgres
from tests.integration.fleetdb.plain import Plain
from tests.integration.fleetdb.whole_world import Whole, whole
from tests.integration.router_node.node import Platform, eventually, serial_of
from tests.integration.router_node.wire import CALL, Peer, WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

NO_SUCH = "wamp.error.no_such_procedure"
OWN = "realm-1-26-dev"


@pytest_asyncio.fixture
async def world(stand_ins: Platform, postgres: Postgres, plain: Plain) -> AsyncIterator[Whole]:
    async with whole(stand_ins, postgres, plain) as made:
        yield made


async def refused(call: Any, uri: str) -> WampError:
    with pytest.raises(WampError) as raised:
        await call
    assert raised.value.uri == uri, raised.value
    return raised.value


async def follow(peer: Peer, *topics: str) -> dict[str, list[Any]]:
    heard: dict[str, list[Any]] = {topic: [] for topic in topics}
    for topic in topics:
        await peer.subscribe(topic, partial(_keep, heard[topic]))
    return heard


def _keep(heard: list[Any], event: list[Any]) -> None:
    heard.append(event[4][0])


def row(second: int = 0, **values: Any) -> dict[str, Any]:
    return {"tsp": f"2026-03-01T00:00:{second:02d}Z", **values}


async def test_an_appended_row_is_stored_and_told_before_the_call_is_answered(world: Whole) -> None:
    backend = await world.install()
    async with await world.node.app(7) as app, await world.node.app(8) as other:
        heard = await follow(other, "transformed.readings", "transformed.bulk.readings")
        answer = await app.call("append.1.26.readings", row(speed="1.50"), DEVICE_KEY="7", DEVICE_NAME="press")
        assert answer == {"success": True}
        assert await world.rows(backend, "SELECT speed, device_key, authid FROM readings") == [(1.5, 7, serial_of(7))]
        await eventually(lambda: heard["transformed.readings"])
        assert heard["transformed.readings"] == [
            {"tsp": 1772323200000, "speed": 1.5, "note": None, "device_key": 7, "authid": serial_of(7)}
        ]
        answer = await app.call("appendBulk.1.26.readings", [row(each, speed=each) for each in range(1, 4)])
        assert answer == {"success": True, "count": 3}
        await eventually(lambda: heard["transformed.bulk.readings"])
        assert [each["speed"] for each in heard["transformed.bulk.readings"][0]] == [1, 2, 3]


async def test_a_bulk_with_one_bad_row_leaves_nothing(world: Whole) -> None:
    backend = await world.install()
    async with await world.node.app(7) as app:
        heard = await follow(app, "transformed.bulk.readings")
        bad: list[Any] = [{"speed": 2}, row(1, speed=float("inf")), "text", row(1, note="\x00"), {"tsp": "yesterday"}]
        for each in bad:
            if isinstance(each, dict) and each.get("speed") == float("inf"):
                continue  # JSON has no such number; the SDK's MsgPack is tried elsewhere
            await refused(app.call("appendBulk.1.26.readings", [row(speed=1), each]), "wamp.error.runtime_error")
        await refused(app.call("appendBulk.1.26.readings", []), "wamp.error.runtime_error")
        await refused(app.call("append.1.26.readings", {"speed": 1}), "wamp.error.runtime_error")
        assert await world.rows(backend, "SELECT count(*) FROM readings") == [(0,)]
        assert heard["transformed.bulk.readings"] == []


async def test_what_is_no_table_is_as_if_nobody_served_it(world: Whole) -> None:
    await world.install()
    async with await world.node.app(7) as app:
        for uri in ("append.1.26.nothing", "append.1.26.readings.x", "append.1.26", "appendBulk.1.26.totals"):
            await refused(app.call(uri, row()), NO_SUCH)
        await refused(app.call("history.transformed.nothing", {"limit": 1}), NO_SUCH)
        await refused(app.call("secret.reveal.readings", {"limit": 1}), NO_SUCH)


async def test_a_new_table_is_there_once_its_release_is_installed(world: Whole) -> None:
    backend = await world.install(template=None)
    async with await world.node.app(7) as app:
        await refused(app.call("append.1.26.readings", row()), NO_SUCH)
        tables = [{"tablename": "readings", "columns": [{"id": "tsp", "dataType": "timestamp"}]}]
        await world.change(backend, template={"data": {"tables": tables}})

        async def taken() -> bool:
            try:
                await app.call("append.1.26.readings", row())
            except WampError:
                return False
            return True

        await eventually(taken)


async def test_a_row_of_another_device_is_refused_and_recorded_once_a_minute(world: Whole) -> None:
    backend = await world.install()
    async with await world.node.app(7) as app:
        await refused(app.call("append.1.26.readings", row(), DEVICE_KEY="8"), "wamp.error.not_authorized")
        await refused(app.call("append.1.26.readings", row(DEVICE_KEY=8)), "wamp.error.not_authorized")
        await refused(app.call("appendBulk.1.26.readings", [row(), row(1, DEVICE_KEY=9)]), "wamp.error.not_authorized")
        assert await world.rows(backend, "SELECT count(*) FROM readings") == [(0,)]
        assert world.server.audited() == [("data.impersonated", "refused")]


async def test_the_raw_topics_are_taken_and_what_is_refused_stands_in_the_error_log(world: Whole) -> None:
    backend = await world.install()
    async with await world.node.app(7) as app, await world.node.app(8) as other:
        heard = await follow(other, "transformed.error-logs", "transformed.readings")
        await app.publish("1.26.readings", row(speed=1), DEVICE_KEY="7")
        await app.publish("bulk.1.26.readings", [row(1, speed=2), row(2, speed=3)], DEVICE_KEY="7")
        await app.publish("1.26.readings", {"speed": 4})
        await app.publish("1.26.nothing", {"speed": 4})
        await app.publish("1.26.26.DEV.f", {"speed": 4})
        await eventually(lambda: heard["transformed.error-logs"] and heard["transformed.readings"])

        async def stored() -> bool:
            return await world.rows(backend, "SELECT speed FROM readings ORDER BY tsp") == [(1,), (2,), (3,)]

        await eventually(stored)
        (problem,) = heard["transformed.error-logs"]
        assert (problem["source"], problem["level"], problem["device_key"]) == ("system", "error", 7)
        assert "readings" in problem["msg"]


async def test_readers_of_other_apps_hear_nothing_private(world: Whole) -> None:
    await world.install()
    world.stand_ins.grants.add((27, 26))
    async with await world.node.app(7) as app, await world.node.app(8, 27, realm=OWN) as reader:
        topics = ("transformed.inside", "transformed.error-logs", "transformed.bulk.inside", "transformed.readings")
        heard, hidden = await follow(app, *topics), await follow(reader, *topics)
        await app.call("append.1.26.inside", row(note="x"))
        await app.call("appendBulk.1.26.inside", [row(1, note="x")])
        await app.call("append.1.26.error-logs", row(msg="m", user_message="u", source="app", level="info"))
        await app.call("append.1.26.readings", row(speed=1))
        await eventually(lambda: all(heard.values()) and hidden["transformed.readings"])
        assert [topic for topic in topics if hidden[topic]] == ["transformed.readings"]
        await refused(reader.call("append.1.26.readings", row()), "wamp.error.not_authorized")


async def test_an_entity_has_one_row_a_moment(world: Whole) -> None:
    await world.install()
    async with await world.node.app(7) as app:
        await app.call("append.1.26.machines", row(name="mill", state="on"))
        again = app.call("append.1.26.machines", row(name="mill", state="off"))
        await refused(again, "sys.dataservice.error.entity_key_conflict")


async def test_a_row_of_ten_megabytes_is_taken_and_one_of_thirteen_is_not(world: Whole) -> None:
    backend = await world.install()
    async with await world.node.app(7) as app:
        await app.call("append.1.26.readings", row(note="x" * 10_000_000))
        await refused(app.call("append.1.26.readings", row(note="x" * 13_000_000)), "wamp.error.runtime_error")
        assert await world.rows(backend, "SELECT length(note) FROM readings") == [(10_000_000,)]
        assert await app.call("append.1.26.readings", row(1)) == {"success": True}


async def test_many_devices_at_once_lose_no_row(world: Whole) -> None:
    backend = await world.install()
    peers = [await world.node.app(key) for key in range(10, 18)]
    heard = await follow(peers[0], "transformed.readings")
    try:
        calls = [
            peer.call("append.1.26.readings", row(number % 60, speed=number), DEVICE_KEY=None)
            for peer in peers
            for number in range(40)
        ]
        answers = await asyncio.gather(*calls)
    finally:
        for peer in peers[1:]:
            await peer.drop()
    assert answers == [{"success": True}] * 320
    await eventually(lambda: len(heard["transformed.readings"]) == 320)
    await peers[0].drop()
    assert await world.rows(backend, "SELECT count(*), count(DISTINCT device_key) FROM readings") == [(320, 8)]


async def test_what_is_stored_of_a_container_that_is_gone_is_told_to_those_who_follow(world: Whole) -> None:
    backend = await world.install()
    async with await world.node.app(8) as follower:
        heard = await follow(follower, "transformed.readings")
        for number in range(20):
            app = await world.node.app(7)
            for second in range(3):
                app.send(CALL, second + 1, {}, "append.1.26.readings", [row(second, speed=number)])
            await app.drop()
        await follower.call("append.1.26.readings", row(59, note="last"))

        async def agrees() -> bool:
            ((stored,),) = await world.rows(backend, "SELECT count(*) FROM readings")
            return bool(stored == len(heard["transformed.readings"]))

        await eventually(agrees)
        await asyncio.sleep(0.3)  # nothing is left in work
        assert await agrees()


async def test_two_apps_and_two_stages_of_one_project_have_nothing_of_each_other(world: Whole) -> None:
    backends = [await world.install(), await world.install(27), await world.install(26, stage="PROD")]
    apps = [await world.node.app(7), await world.node.app(7, 27), await world.node.app(7, stage="prod")]
    for number, (app, key) in enumerate(zip(apps, (26, 27, 26), strict=True)):
        await app.call(f"append.1.{key}.readings", row(speed=number))
    for number, (app, backend) in enumerate(zip(apps, backends, strict=True)):
        assert await world.rows(backend, "SELECT speed FROM readings") == [(number,)]
        (read,) = await app.call("history.transformed.readings", {"limit": 10})
        assert read["speed"] == number
        await app.drop()


async def test_a_location_is_a_row_of_the_device(world: Whole) -> None:
    backend = await world.install()
    async with await world.node.app(7) as app:
        answer = await app.call("ironflock.location_service.update", {"long": 8.55, "lat": 47.37}, DEVICE_KEY="7")
        assert answer == {"success": True}
        for bad in ({"long": 181, "lat": 0}, {"long": 1}, {"long": "1", "lat": 1}, {"long": True, "lat": 1}, None):
            await refused(app.call("ironflock.location_service.update", bad), "wamp.error.invalid_argument")
        found = await world.rows(backend, 'SELECT long, lat, device_key FROM "device-location"')
        assert [tuple(map(float, each)) for each in found] == [(8.55, 47.37, 7.0)]
