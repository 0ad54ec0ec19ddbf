"""An audited change: renaming a device with `audit.record` in one transaction, against the renaming alone.

The transaction is that of `ironflock.devices.device.rename` (lock the device, rename it, read it back, record), with
the statements of `services.devices` under its own login, over verified TLS.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import psycopg
from attrs import frozen

from deploy.local.processes import DATABASE_NAME
from services.devices.store import devices as store
from shared import audit
from shared.database import Connection, DatabaseSettings, Password, connection_arguments
from tests.bench.figures import P99, Row, at_least, percentile, ratio_row
from tests.bench.fleet import Device
from tests.bench.rounds import interleave, pairs
from tests.bench.scale import Scale
from tests.harness.running import RunningPlatform

NAME: Final = "audit"
LOGIN: Final = "svc_devices"
BAR: Final = at_least(0.80)
MEASURED_OCTETS: Final = 100


@frozen
class Changes:
    """How many a second, and what 99 of 100 did not exceed."""

    rate: float
    p99_ms: float


def run(scale: Scale, platform: RunningPlatform, devices: Sequence[Device]) -> list[Row]:
    """The rows, by the size of what an entry says of the change."""
    with asyncio.Runner() as runner:
        connection = runner.run(connect(platform))

        def measure(octets: int, *, is_audited: bool) -> Changes:
            device = devices[0 if is_audited else 1]
            return runner.run(_changes(connection, device, octets if is_audited else None, scale.seconds))

        try:
            results = interleave(
                scale.entries,
                scale.rounds,
                lambda octets: measure(octets, is_audited=True),
                lambda octets: measure(octets, is_audited=False),
            )
        finally:
            runner.run(connection.close())
    return [row for octets in scale.entries for row in _rows(octets, results[octets])]


def _rows(octets: int, results: list[tuple[Changes, Changes]]) -> list[Row]:
    what = f"audited change, entry of {octets} octets"
    bar = BAR if octets == MEASURED_OCTETS else None
    return [
        ratio_row(NAME, what, "/s", pairs(results, lambda changes: changes.rate), bar),
        ratio_row(NAME, f"{what}: p99", "ms", pairs(results, lambda changes: changes.p99_ms)),
    ]


async def connect(platform: RunningPlatform) -> Connection:
    """A connection of the devices service's login."""
    settings = DatabaseSettings(
        host="localhost",
        port=platform.ports.postgres,
        name=DATABASE_NAME,
        login=LOGIN,
        password=Password(platform.secret(f"database/{LOGIN}")),
        ca=platform.state.ca_certificate,
    )
    return await psycopg.AsyncConnection.connect(**connection_arguments(settings))


async def _changes(connection: Connection, device: Device, octets: int | None, seconds: float) -> Changes:
    """Rename `device` again and again; with an entry of `octets` for each, or without."""
    latencies: list[float] = []
    began = time.perf_counter()
    while (start := time.perf_counter()) < began + seconds:
        name = f"{device.name}-{len(latencies) % 2}"
        async with connection.pipeline(), connection.transaction():  # as `Database.transaction` has it
            await store.device_lock_in_txn(connection, device.key)
            await store.device_rename(connection, device.key, name=name, name_canonical=name)
            await store.device_find(connection, device.key)
            if octets is not None:
                await audit.record(connection, _draft(device, name, octets))
        latencies.append(time.perf_counter() - start)
    return Changes(len(latencies) / (time.perf_counter() - began), percentile(latencies, P99) * 1000)


def _draft(device: Device, name: str, octets: int) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.DEVICE_RENAMED,
        aspect=audit.Aspect.NAME,
        actor=audit.Actor(audit.ActorKind.PERSON, 1, credential="bench"),
        asset=audit.Asset("device", device.key),
        project_key=device.project_key,
        before={"name": device.name},
        after={"name": name.ljust(octets, ".")},
        session=1,
    )
