"""The audit log: how fast entries are integrated, how long a proof takes, how verifying grows.

Integrated a second is counted from the first entry that a writer records to the last one that is a leaf, against plain
INSERTs of the same rows by as many writers. A proof is asked for over the bus, by a person. Verifying is that of
`flockctl audit verify`: every tile and bundle over HTTPS, every hash computed.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from attrs import frozen
from psycopg.types.json import Jsonb

from shared.database import Connection
from tests.bench.audited_change import connect
from tests.bench.figures import Pair, Row, at_least, at_most, percentile, plain_row, ratio_row
from tests.bench.rounds import interleave, pairs, pause, say
from tests.bench.scale import Scale
from tests.bench.wamp_socket import Address, WampSocket
from tests.harness.published_log import PublishedLog
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

NAME: Final = "log"
INTEGRATED: Final = at_least(0.60)
PROOF_MS: Final = at_most(10.0)
LINEAR: Final = at_most(1.5)
MEASURED_WRITERS: Final = 4
P95: Final = 0.95
PROOFS: Final = 200
DRAIN_TIMEOUT_S: Final = 600.0
CHUNK: Final = 50_000
VALUES: Final = (
    "device.renamed", "name", Jsonb({"kind": "person", "key": 1, "credential": "bench", "on_behalf_of": None}),
    Jsonb({"kind": "device", "key": 1}), None, Jsonb({"name": "press-1"}), Jsonb({"name": "press-2"}), None,
    Jsonb({"session": 1, "address": None, "request": None}), "done",
)  # fmt: skip
RECORD: Final = "SELECT audit.record(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
PLAIN: Final = (
    "INSERT INTO bench.plain (recorded_at, service, action, aspect, actor, asset, project, before, after, reason,"
    " source, outcome) VALUES (clock_timestamp(), session_user, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)


def run(scale: Scale, platform: RunningPlatform) -> list[Row]:
    """The rows; the sizes come first, while the log holds no more than what made them."""
    rows: list[Row] = []
    costs: dict[int, float] = {}
    for size in scale.log_sizes:
        grow(platform, size)
        rows.append(_proof_row(platform, size))
        costs[size], row = _verifying_row(platform, size, scale.verifications)
        rows.append(row)
    _make_reference(platform)
    with asyncio.Runner() as runner:
        results = interleave(
            scale.log_writers,
            scale.rounds,
            lambda writers: runner.run(_integrated(platform, writers, scale.seconds)),
            lambda writers: runner.run(_written(platform, writers, scale.seconds, PLAIN)).rate,
        )
    integrated = [_integration_row(writers, pairs(results[writers], float)) for writers in scale.log_writers]
    return [*integrated, *rows, *_linearity(costs)]


@frozen
class Written:
    """What writers did: how many entries, and how many a second."""

    count: int
    rate: float


def _make_reference(platform: RunningPlatform) -> None:
    with platform.database() as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bench.plain (LIKE audit.queue INCLUDING IDENTITY INCLUDING INDEXES)"
        )
        connection.execute("GRANT USAGE ON SCHEMA bench TO svc_devices")
        connection.execute("GRANT INSERT ON bench.plain TO svc_devices")


def _integration_row(writers: int, found: Sequence[Pair]) -> Row:
    bar = INTEGRATED if writers == MEASURED_WRITERS else None
    return ratio_row(NAME, f"entries integrated, {writers} writers, by plain INSERTs", "/s", found, bar)


async def _integrated(platform: RunningPlatform, writers: int, seconds: float) -> float:
    """Entries a second, until the last one is a leaf."""
    began = time.perf_counter()
    written = await _written(platform, writers, seconds, RECORD)
    await asyncio.to_thread(_drained, platform)
    return written.count / (time.perf_counter() - began)


async def _written(platform: RunningPlatform, writers: int, seconds: float, statement: str) -> Written:
    connections = [await connect(platform) for _ in range(writers)]
    try:
        began = time.perf_counter()
        counts = await asyncio.gather(*(_write(each, statement, began + seconds) for each in connections))
        return Written(sum(counts), sum(counts) / (time.perf_counter() - began))
    finally:
        for connection in connections:
            await connection.close()


async def _write(connection: Connection, statement: str, until: float) -> int:
    count = 0
    while time.perf_counter() < until:
        await connection.execute(statement, VALUES)
        count += 1
    return count


def _drained(platform: RunningPlatform) -> None:
    with platform.database() as connection:
        query = "SELECT EXISTS (SELECT FROM audit.queue) OR (SELECT max(size) FROM audit.checkpoint)"
        query += " <= (SELECT max(leaf_index) FROM audit.leaf)"
        wait_until(lambda: connection.execute(query).fetchone() == (False,), DRAIN_TIMEOUT_S, "all is integrated")


def grow(platform: RunningPlatform, size: int) -> None:
    """Let the log have `size` entries at least."""
    with platform.database() as connection, platform.database("svc_devices") as writer:
        while True:
            row = connection.execute("SELECT coalesce(max(leaf_index) + 1, 0) FROM audit.leaf").fetchone()
            missing = size - (row[0] if row else 0)
            if missing <= 0:
                return
            writer.execute(f"{RECORD} FROM generate_series(1, %s)", [*VALUES, min(missing, CHUNK)])
            _drained(platform)
            say(f"log of {size}: {max(0, missing - CHUNK)} entries to go")


def _proof_row(platform: RunningPlatform, size: int) -> Row:
    asked = proofs(platform, PROOFS)
    return plain_row(NAME, f"inclusion proof, p95, log of {size}", "ms", [percentile(asked, P95) * 1000], PROOF_MS)


def proofs(platform: RunningPlatform, number: int) -> list[float]:
    """Seconds that each of so many proofs of an early entry took, over the bus."""
    with platform.database() as connection:
        query = "SELECT id FROM audit.entry WHERE project IS NOT NULL ORDER BY leaf_index LIMIT 1"
        row = connection.execute(query).fetchone()
    if row is None:
        raise LookupError("the flashed devices left no entry")
    address = Address(platform.ports.router_public, "/ws-usr", platform.tls)
    with WampSocket.connect(address) as socket:
        socket.join_by_ticket("realm1", platform.owner_key)
        return [_timed(socket, entry_id=row[0]) for _ in range(number)]


def _timed(socket: WampSocket, **arguments: Any) -> float:
    began = time.perf_counter()
    socket.call("ironflock.audit.entry.proof", **arguments)
    return time.perf_counter() - began


def _verifying_row(platform: RunningPlatform, size: int, rounds: int) -> tuple[float, Row]:
    """Microseconds for each entry, and the row of the whole."""
    seconds, entries = [], 0
    for _ in range(rounds):
        log = PublishedLog(platform)
        began = time.perf_counter()
        report = log.verified()
        seconds.append(time.perf_counter() - began)
        entries = report.entries
        if not report.is_well:
            raise LookupError("the log does not verify")
        pause(0.1)
    row = plain_row(NAME, f"verifying a log of {size}", "s", seconds, note=f"{entries} entries in all")
    return row.value / entries, row


def _linearity(costs: dict[int, float]) -> list[Row]:
    """How much more an entry costs in the largest log than in the smallest."""
    if len(costs) < 2:
        return []
    smallest, largest = min(costs), max(costs)
    pair = Pair(costs[largest] * 1e6, costs[smallest] * 1e6)
    return [ratio_row(NAME, f"verifying one entry, log of {largest} by log of {smallest}", "us", [pair], LINEAR)]
