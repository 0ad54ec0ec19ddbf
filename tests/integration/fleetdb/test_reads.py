"""Rows that go out on the bus: history, series, secrets, transforms, and what other apps get to see."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from services.fleetdb.gates import Bounds, Gate
from tests.integration.database import Postgres
from tests.integration.fleetdb.bus_world import there
from tests.integration.fleetdb.plain import Plain
from tests.integration.fleetdb.test_writes import NO_SUCH, OWN, follow, refused, row
from tests.integration.fleetdb.whole_world import Whole, called, whole
from tests.integration.router_node.node import Platform, eventually
from tests.integration.router_node.wire import WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def world(stand_ins: Platform, postgres: Postgres, plain: Plain) -> AsyncIterator[Whole]:
    async with whole(stand_ins, postgres, plain) as made:
        yield made


async def test_history_and_series_over_the_bus(world: Whole) -> None:
    await world.install()
    async with await world.node.app(7) as app:
        await app.call("appendBulk.1.26.readings", [row(each, speed=each) for each in range(6)])
        found = await app.call(
            "history.transformed.readings",
            {"limit": 2, "offset": 1, "filterAnd": [{"column": "speed", "operator": "<", "value": 5}]},
        )
        assert [each["speed"] for each in found] == [2, 3]
        span = ["2026-03-01T00:00:00Z", "2026-03-01T00:00:06Z"]
        series = {"metrics": [{"ref": "speed", "method": "SUM"}], "limit": 2, "timeRange": span}
        found = await app.call("history.transformed.series.readings", series)
        assert [each["SUM:speed"] for each in found] == [3, 12]
        error = await refused(app.call("history.transformed.readings", {"limit": "x"}), "wamp.error.runtime_error")
        assert error.details[0]["path"] == "$input[0].limit"
        await refused(app.call("history.transformed.readings"), "wamp.error.runtime_error")


async def test_an_answer_that_is_too_long_comes_in_chunks_or_not_at_all(world: Whole) -> None:
    await world.install()
    async with await world.node.app(7) as app:
        for each in range(12):
            await app.call("append.1.26.readings", row(each, note="x" * 1_000_000, speed=each))
        query = {"limit": 100}
        error = await refused(app.call("history.transformed.readings", query), "sys.dataservice.error.result_too_large")
        assert (error.more["rows"], error.more["tablename"]) == (12, "readings")
        assert error.more["topColumns"][0]["name"] == "note"
        chunks, last = await called(app, "history.transformed.readings", query)
        assert last == {"chunked": True, "chunkCount": len(chunks), "totalRows": 12, "order": "asc"}
        assert [index for index, _ in chunks] == list(range(len(chunks)))
        together = [each for _, chunk in chunks for each in chunk]
        assert [each["speed"] for each in together[::-1]] == list(range(12))
        chunks, whole_answer = await called(app, "history.transformed.readings", {"limit": 3})
        assert (chunks, [each["speed"] for each in whole_answer]) == ([], [9, 10, 11])
        await is_written_down_before_it_leaves(world, query)


async def is_written_down_before_it_leaves(world: Whole, query: dict[str, Any]) -> None:
    """What another app reads in chunks: as begun before the first, as done at the end; else none of it leaves."""
    world.stand_ins.grants.add((27, 26))
    async with await world.node.app(8, 27, realm=OWN) as reader:
        world.server.run("UPDATE audit.action SET service = 'svc_realms' WHERE tag = 'data.read'")
        chunks: list[list[Any]] = []
        try:
            with pytest.raises(WampError):
                await called(reader, "history.transformed.readings", query, into=chunks)
        finally:
            world.server.run("UPDATE audit.action SET service = 'svc_fleetdb' WHERE tag = 'data.read'")
        assert chunks == []
        await called(reader, "history.transformed.readings", query)
    entries = "SELECT outcome, after->'rows', after->>'reader_app_key' FROM audit.queue ORDER BY id"
    assert world.server.rows(entries) == [("intended", None, "27"), ("done", 12, "27")]


async def test_another_app_reads_what_is_not_private_and_each_read_is_recorded(world: Whole) -> None:
    backend = await world.install()
    world.stand_ins.grants.add((27, 26))
    async with await world.node.app(7) as app, await world.node.app(8, 27, realm=OWN) as reader:
        await app.call("appendBulk.1.26.readings", [row(each, speed=each) for each in range(3)])
        await app.call("append.1.26.inside", row(note="x"))
        await app.call("history.transformed.readings", {"limit": 10})
        assert world.server.audited() == []
        query = {"limit": 10, "timeRange": [1772323200000, None]}
        assert len(await reader.call("history.transformed.readings", query)) == 3
        for name in ("inside", "error-logs", "device-location"):
            await refused(reader.call(f"history.transformed.{name}", {"limit": 1}), "wamp.error.not_authorized")
        await refused(reader.call("history.transformed.series.inside", {}), "wamp.error.not_authorized")
        (entry,) = world.server.rows("SELECT actor, asset, project, after FROM audit.queue")
        assert (entry[0]["kind"], entry[0]["key"], entry[2]) == ("device", 8, 1)
        assert entry[1] == {"kind": "data_backend", "key": backend.backend_key}
        about = {"table": "readings", "rows": 3, "from_ms": 1772323200000, "to_ms": None, "reader_app_key": 27}
        assert entry[3] == {"app_key": 26, "stage": "DEV", **about}


async def test_secrets_are_for_the_app_alone(world: Whole) -> None:
    backend = await world.install()
    world.stand_ins.grants.add((27, 26))
    async with await world.node.app(7) as app, await world.node.app(8, 27, realm=OWN) as reader:
        heard = await follow(app, "transformed.vault")
        await app.call("append.1.26.vault", row(name="door", pin="hunter2"))
        await eventually(lambda: heard["transformed.vault"])
        assert heard["transformed.vault"][0]["pin"] == "__secret__"
        (stored,) = await world.rows(backend, "SELECT pin FROM vault")
        assert stored[0].startswith("ifsec:1:")
        assert "hunter2" not in stored[0]
        for peer in (app, reader):
            (read,) = await peer.call("history.transformed.vault", {"limit": 10})
            assert read["pin"] == "__secret__"
        (revealed,) = await app.call("secret.reveal.vault", {"limit": 10})
        assert revealed["pin"] == "hunter2"
        asked = {"column": "pin", "candidate": "hunter2", "limit": 10}
        assert await app.call("secret.verify.vault", asked) == {"match": True, "checked": 1}
        await refused(reader.call("secret.reveal.vault", {"limit": 1}), "wamp.error.not_authorized")
        await refused(app.call("secret.reveal.readings", {"limit": 1}), NO_SUCH)
        filtered = {"limit": 1, "filterAnd": [{"column": "pin", "operator": "=", "value": "hunter2"}]}
        await refused(app.call("history.transformed.vault", filtered), "sys.dataservice.error.secret_column")


async def test_a_transform_is_read_like_a_table_and_published_on_its_schedule(world: Whole) -> None:
    await world.install()
    async with await world.node.app(7) as app:
        await app.call("appendBulk.1.26.readings", [row(each, speed=each) for each in range(4)])
        (total,) = await app.call("history.transformed.totals", {"limit": 10})
        assert total["total"] == 6
        await refused(app.call("history.transformed.totals", {"limit": 3001}), "sys.dataservice.error.invalid_limit")
        await refused(app.call("history.transformed.series.totals", {}), NO_SUCH)
        heard = await follow(app, "transformed.totals")

        async def tick() -> None:
            now = datetime.now(UTC)  # noqa: TID251 - as __main__
            world.parts.transforms.look(lambda: world.parts.realms.backends, now)
            await world.parts.transforms.settle()

        await there(tick())
        await eventually(lambda: heard["transformed.totals"])
        assert [each["total"] for each in heard["transformed.totals"][0]] == [6]


async def test_apps_are_resolved_by_what_their_project_granted(world: Whole) -> None:
    backend = await world.install(app_name="press", providers=["mixer"])
    async with await world.node.app(7) as app:
        await refused(app.call("sys.appaccess.resolve", {"app": "mixer"}), "sys.appaccess.error.provider_not_installed")
        await refused(app.call("sys.appaccess.resolve", {"app": "oven"}), "sys.appaccess.error.unknown_app")
        await world.install(27, app_name="mixer")
        await world.install(28, app_name="oven")
        found = await app.call("sys.appaccess.resolve", {"app": "MIXER"})
        assert (found["app"], found["provider_app_key"]) == ("MIXER", 27)
        tables = {each["tablename"] for each in found["stages"]["dev"]["tables"]}
        assert tables == {"readings", "machines", "vault"}
        await refused(app.call("sys.appaccess.resolve", {"app": "oven"}), "sys.appaccess.error.no_grant")
        assert [each["app"] for each in await app.call("sys.appaccess.list")] == ["mixer"]
        await world.change(backend, providers=["*"])

        async def both() -> Any:
            return len(await app.call("sys.appaccess.list")) == 2

        await eventually(both)


async def test_a_realm_with_too_much_in_work_refuses_and_goes_on(world: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.fleetdb.realms.Gate", lambda octets: Gate(octets, Bounds(octets=1_000_000)))
    await world.install()
    async with await world.node.app(7) as app:
        note = "x" * 400_000

        async def one(second: int) -> str:
            try:
                await app.call("append.1.26.readings", row(second, note=note))
            except WampError as error:
                return error.uri
            return "stored"

        ends = set(await asyncio.gather(*(one(second) for second in range(20))))
        assert ends <= {"stored", "ironflock.error.over_limit"}
        assert len(ends) == 2
        assert await app.call("append.1.26.readings", row(30)) == {"success": True}
