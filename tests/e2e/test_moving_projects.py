"""A project moves between two servers of a running platform, while its app writes and processes are killed."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from psycopg import sql

from deploy.local.bootstrap import SUPERUSER, Server, connect
from tests.e2e.test_fleetdb_killed import TABLE, Writer, served
from tests.harness.clients import Account
from tests.harness.commands import Flockctl
from tests.harness.placed_apps import place_apps
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

# Soak: a platform of its own, with two servers, started for it alone.
pytestmark = [pytest.mark.real, pytest.mark.soak, pytest.mark.asyncio, pytest.mark.timeout(600)]
KILLED: Final = ("fleetdb", "provisioner", "realms")


@pytest.fixture(scope="module", name="two")
def fixture_two() -> Iterator[RunningPlatform]:
    """A platform with a second PostgreSQL."""
    platform = RunningPlatform()
    platform.environment["IRONFLOCK_LOCAL_CLUSTERS"] = "2"
    try:
        yield platform.start()
    finally:
        platform.stop()


def stored(platform: RunningPlatform) -> Counter[int]:
    """How often each number is in the table of the one project that is on the second server."""
    password = (platform.state.second_secrets / SUPERUSER).read_text(encoding="utf-8").strip()
    server = Server(platform.ports.second, platform.state.ca_certificate, password)
    with connect(server, "postgres") as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, 'd_') ORDER BY oid DESC")
        ((database,), *_) = found.fetchall()
    with connect(server, database) as connection:
        tables = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'strokes'").fetchall()
        ((schema,),) = tables
        query = sql.SQL("SELECT number FROM {}").format(sql.Identifier(schema, "strokes"))
        return Counter(row[0] for row in connection.execute(query).fetchall())


def asked_by_sql(platform: RunningPlatform, realm: str) -> int:
    """How many rows its owner reads by SQL."""
    with psycopg.connect(
        host="localhost",
        port=platform.ports.sql,
        dbname=realm,
        user="somebody",
        password=platform.owner_key,
        sslmode="verify-full",
        sslrootcert=str(platform.state.ca_certificate),
    ) as front:
        return int(front.execute("SELECT count(*) FROM strokes").fetchall()[0][0])


async def asked(flockctl: Flockctl, *words: str) -> dict[str, object]:
    """What the command answers."""
    answer: dict[str, object] = await asyncio.to_thread(flockctl.json, *words)
    return answer


@pytest.mark.parametrize("killed", [(), KILLED], ids=["in peace", "killed"])
async def test_every_acknowledged_row_is_there_once(
    two: RunningPlatform, tmp_path: Path, killed: tuple[str, ...]
) -> None:
    owner, flockctl = Account(two, two.owner_key), Flockctl(two, tmp_path)
    clusters = await asked(flockctl, "placement", "cluster", "list")
    if len(clusters["clusters"]) == 1:  # type: ignore[arg-type]
        await asked(flockctl, "placement", "cluster", "add", "second", "--region", "south", "--capacity", "9")
    (app,) = await place_apps(two, owner, 1, [TABLE])
    writer, loop = Writer(app), asyncio.get_running_loop()
    await served([writer])
    over = asyncio.Event()

    async def write() -> None:
        while not over.is_set():
            await writer.write(loop.time() + 1)

    writing = asyncio.create_task(write())

    move = await asked(flockctl, "placement", "move", str(app.project_key), "--to", "second")
    for name in killed:
        pid = two.kill(name)
        await asyncio.to_thread(wait_until, lambda gone=pid, who=name: two.is_back(who, gone), 60, "it is back")

    def moved() -> bool:
        found = flockctl.json("placement", "moves", "--project", str(app.project_key))["moves"]
        return bool(found[0]["state"] == "done")

    await asyncio.to_thread(wait_until, moved, 120, "it has moved")
    over.set()
    await writing
    await served([writer])
    counted = await asyncio.to_thread(stored, two)
    shown = (await asked(flockctl, "project", "show", str(app.project_key)))["project"]

    assert await asyncio.to_thread(asked_by_sql, two, app.realm) == len(counted)
    assert move["move"]["project_key"] == app.project_key  # type: ignore[index]
    assert (shown["cluster"], shown["region"]) == ("second", "south")  # type: ignore[index]
    assert writer.answered <= counted.keys() <= writer.answered | writer.unanswered
    assert set(counted.values()) == {1}
    assert len(counted) > 100
