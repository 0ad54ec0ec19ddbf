"""The log as it is served."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from services.audit.proofs import consistency, inclusion
from services.audit.tiles import Site, Tiles
from shared.database import Database
from shared.health import Health
from shared.https import listen_https
from shared.tlog.contents import bundle_entries, tile_hashes
from shared.tlog.errors import AbsentError
from shared.tlog.hashing import leaf_hash
from shared.tlog.heads import Trust
from shared.tlog.layout import entries_path, tile_path
from shared.tlog.proof import verify_consistency, verify_inclusion
from shared.tlog.verification import verify_log
from tests.integration.audit.world import World
from tests.integration.database import Postgres
from tests.integration.flockctl import reactor_thread
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.reactor import ask, listening

pytestmark = pytest.mark.real


@pytest.mark.asyncio
async def test_every_width_up_to_the_head_is_served(world: World) -> None:
    await world.recorded(300)
    full = tile_hashes((await world.tiles.answer("audit/tile/0/000")).content, 256)

    for width in (1, 7, 255):
        partial = await world.tiles.answer(f"audit/tile/0/000.p/{width}")
        assert tile_hashes(partial.content, width) == full[:width]
    entries = bundle_entries((await world.tiles.answer("audit/tile/entries/001.p/44")).content)
    assert len(entries) == 44
    assert (await world.tiles.answer("audit/tile/0/001.p/44")).content[:32] == leaf_hash(entries[0])


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path",
    [
        "audit/tile/0/001",
        "audit/tile/0/001.p/45",
        "audit/tile/1/000",
        "audit/tile/1/000.p/2",
        "audit/tile/2/000.p/1",
        "audit/tile/0/002",
        "audit/tile/entries/001",
        "audit/tile/0/0",
        "audit/tile/00/000",
        "audit/tile/0/x001/001",
        "audit/tile/0/000.p/256",
        "audit/tile/0/000/",
        "audit//checkpoint",
        "audit/checkpoint/",
        "audit/../audit/checkpoint",
        "audit",
        "",
        "checkpoint",
        "tile/0/000",
    ],
)
async def test_what_is_not_there_or_not_a_path_is_absent(world: World, path: str) -> None:
    await world.recorded(300)

    assert (await world.tiles.answer(path)).status == 404


@pytest.mark.asyncio
async def test_before_the_first_head_nothing_is_there(world: World) -> None:
    assert (await world.tiles.answer("audit/checkpoint")).status == 404
    assert (await world.tiles.answer("audit/tile/0/000.p/1")).status == 404


@pytest.mark.asyncio
async def test_proofs_from_stored_tiles_verify(world: World) -> None:
    await world.recorded(300)
    head = await world.head()
    leaves = tile_hashes((await world.tiles.answer("audit/tile/0/000")).content, 256)
    async with world.database.transaction() as connection:
        for index in (0, 1, 128, 255):
            proof = await inclusion(connection, index, 300)
            verify_inclusion(index=index, size=300, leaf=leaves[index], proof=proof, root=head.root)
        longer = await consistency(connection, 300, 300)
    verify_consistency(size1=300, size2=300, proof=longer, root1=head.root, root2=head.root)


class Remote:
    """The log over HTTPS."""

    def __init__(self, certificates: Certificates, port: int) -> None:
        self._certificates = certificates
        self._port = port

    def _get(self, path: str) -> bytes:
        status, _, content = ask(self._certificates, self._port, f"/audit/{path}")
        if status != 200:
            raise AbsentError(path)
        return content

    def checkpoint(self) -> bytes:
        return self._get("checkpoint")

    def tile(self, level: int, index: int, width: int) -> bytes:
        return self._get(tile_path(level, index, width))

    def entries(self, index: int, width: int) -> bytes:
        return self._get(entries_path(index, width))


@pytest.fixture(name="served")
def fixture_served(postgres: Postgres, tmp_path: Path) -> Iterator[tuple[World, Remote, Certificates, int]]:
    certificates = make_certificates(tmp_path)
    reactor_thread.start()
    database = Database(postgres.settings("svc_audit"), Health())
    loop_world: list[World] = []

    async def begin() -> None:
        await as_task(database.open())
        loop_world.append(World(postgres, database, tmp_path))
        loop_world[0].record(300)
        await as_task(loop_world[0].settle())

    reactor_thread.wait(begin())
    site = Site(Tiles(database))
    try:
        with listening(certificates, lambda tls: listen_https(tls, 0, "127.0.0.1", site, idle_timeout_s=5)) as port:
            yield loop_world[0], Remote(certificates, port), certificates, port
    finally:
        reactor_thread.wait(as_deferred(database.close()))


def as_task(coroutine: Any) -> Any:
    """The reactor's coroutines await Deferreds; psycopg wants a task."""
    return Deferred.fromFuture(asyncio.ensure_future(coroutine))


async def as_deferred(coroutine: Any) -> None:
    await as_task(coroutine)


def test_the_log_verifies_over_https(served: tuple[World, Remote, Certificates, int]) -> None:
    world, remote, certificates, port = served

    report = verify_log(remote, Trust(world.notary.verifiers))

    assert (report.findings, report.entries) == ((), 300)
    _, checkpoint, _ = ask(certificates, port, "/audit/checkpoint")
    _, tile, _ = ask(certificates, port, "/audit/tile/0/000")
    assert (checkpoint["content-type"], checkpoint["cache-control"]) == ("text/plain; charset=utf-8", "no-store")
    assert tile["content-type"] == "application/octet-stream"
    assert "immutable" in tile["cache-control"]


def test_given_other_methods_and_paths_when_they_are_asked_then_they_are_refused(
    served: tuple[World, Remote, Certificates, int],
) -> None:
    _, _, certificates, port = served

    assert ask(certificates, port, "/audit/checkpoint", "HEAD")[::2] == (200, b"")
    assert ask(certificates, port, "/audit/checkpoint", "POST")[0] == 405
    for path in ("/", "/audit/", "/audit/%63heckpoint", "/audit/tile/0/000.p/0", "/audit/../x", "//audit/checkpoint"):
        assert ask(certificates, port, path)[0] == 404, path
