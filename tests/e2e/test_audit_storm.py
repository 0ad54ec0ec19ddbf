"""A storm of changes while audit and PostgreSQL are killed: every committed change has one entry, no other has any."""

import asyncio
import json
import subprocess
import sys
import time

import psycopg
import pytest
from attrs import Factory, define, frozen

from deploy.local.state import REPOSITORY
from tests.harness.commands import Flockctl
from tests.harness.recorded import wait_until_integrated
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.real
VERIFIER = REPOSITORY / "deploy" / "verifier" / "ironflock_audit_verify.py"
LOGIN = "svc_realms"
NOBODY = 2**52  # an owner whom no other test knows
ROLLED_BACK_OF = 10
CHANGE = "INSERT INTO realms.project (name, name_canonical, description, owner_account_key) VALUES (%s, %s, '', %s)"
RECORD = (
    "SELECT audit.record('project.created', 'existence',"
    ' \'{"kind": "service", "key": "x", "credential": null, "on_behalf_of": null}\', \'{"kind": "project", "key": 1}\','
    " NULL, NULL, jsonb_build_object('name', %s::text), %s,"
    ' \'{"session": null, "address": null, "request": null}\', \'done\')'
)


@frozen
class Size:
    """How much of a storm; `held_s` is how long one transaction stays open."""

    writers: int
    changes: int
    held_s: float


@define
class Storm:
    """One storm: what was committed and what was not, by the names that the changes gave."""

    platform: RunningPlatform
    size: Size
    name: str
    committed: set[str] = Factory(set)
    rolled_back: set[str] = Factory(set)

    async def rage(self) -> None:
        """Write; kill audit after a quarter, PostgreSQL after half; then hold a transaction open."""
        everything = self.size.writers * self.size.changes
        async with asyncio.TaskGroup() as group:
            for writer in range(self.size.writers):
                group.create_task(self._write(writer))
            await self._reaches(everything // 4)
            audit = self.platform.kill("audit")
            await self._reaches(everything // 2)
            postgres = self.platform.kill("postgres")
            await asyncio.to_thread(
                wait_until, lambda: self.platform.is_back("postgres", postgres), 60.0, "PostgreSQL is back"
            )
            await self._hold()
        await asyncio.to_thread(wait_until, lambda: self.platform.is_back("audit", audit), 60.0, "audit is back")

    async def _reaches(self, count: int) -> None:
        while len(self.committed) + len(self.rolled_back) < count:  # noqa: ASYNC110 - the writers are in no hurry to tell
            await asyncio.sleep(0.01)

    async def _write(self, writer: int) -> None:
        connection = await self._connect()
        try:
            for turn in range(self.size.changes):
                name = f"{self.name} {writer} {turn}"
                while not await self._is_settled(connection, name, is_kept=turn % ROLLED_BACK_OF != 0):
                    connection = await self._connect()
        finally:
            await connection.close()

    async def _is_settled(self, connection: psycopg.AsyncConnection, name: str, *, is_kept: bool) -> bool:
        """Whether the change is known to be committed or not; False where the connection is gone."""
        try:
            if await _exists(connection, name):  # committed before, only the answer was lost
                self.committed.add(name)
                return True
            async with connection.transaction(force_rollback=not is_kept):
                await connection.execute(CHANGE, [name, name, NOBODY])
                await connection.execute(RECORD, [name, self.name])
        except psycopg.OperationalError:
            await connection.close()
            return False
        (self.committed if is_kept else self.rolled_back).add(name)
        return True

    async def _hold(self) -> None:
        """One transaction that was there before everything else that is still written, and commits after it."""
        name = f"{self.name} held"
        connection = await self._connect()
        async with connection, connection.transaction():
            await connection.execute(CHANGE, [name, name, NOBODY])
            await connection.execute(RECORD, [name, self.name])
            await asyncio.sleep(self.size.held_s)
        self.committed.add(name)

    async def _connect(self) -> psycopg.AsyncConnection:
        until = time.monotonic() + 60.0
        while True:
            try:
                return await psycopg.AsyncConnection.connect(
                    host="localhost",
                    hostaddr="127.0.0.1",
                    port=self.platform.ports.postgres,
                    dbname="ironflock",
                    user=LOGIN,
                    password=self.platform.secret(f"database/{LOGIN}"),
                    sslmode="verify-full",
                    sslrootcert=str(self.platform.state.ca_certificate),
                    autocommit=True,
                )
            except psycopg.OperationalError:
                assert time.monotonic() < until, "PostgreSQL takes no connections"
                await asyncio.sleep(0.1)


async def _exists(connection: psycopg.AsyncConnection, name: str) -> bool:
    query = "SELECT FROM realms.project WHERE owner_account_key = %s AND name_canonical = %s"
    cursor = await connection.execute(query, [NOBODY, name])
    return await cursor.fetchone() is not None


def names_with_entries(platform: RunningPlatform, storm: str) -> dict[str, int]:
    """How many entries each change has."""
    with platform.database() as connection:
        rows = connection.execute(
            "SELECT after->>'name', count(*) FROM audit.entry WHERE reason = %s GROUP BY 1", [storm]
        ).fetchall()
    return dict(rows)


def changes_made(platform: RunningPlatform, storm: str) -> set[str]:
    """What is really there."""
    with platform.database() as connection:
        rows = connection.execute(
            "SELECT name FROM realms.project WHERE owner_account_key = %s AND starts_with(name, %s)", [NOBODY, storm]
        ).fetchall()
    return {name for (name,) in rows}


def verified_alone(platform: RunningPlatform) -> dict[str, object]:
    """What the stand-alone verifier says."""
    content = json.loads(platform.state.endpoints.read_text(encoding="utf-8"))
    words = ("--url", content["audit"], "--ca", content["ca_file"], "--key-file", content["audit_key_file"], "--json")
    done = subprocess.run([sys.executable, VERIFIER, *words], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "size", [Size(8, 60, 2.0), pytest.param(Size(64, 1_000, 30.0), marks=pytest.mark.soak)], ids=str
)
def test_given_a_storm_with_kills_then_every_committed_change_has_one_entry_and_no_other_has_any(
    ironflock: RunningPlatform, flockctl: Flockctl, size: Size
) -> None:
    storm = Storm(ironflock, size, f"storm {time.monotonic_ns()}")

    asyncio.run(storm.rage())
    wait_until_integrated(ironflock, 120.0)

    assert len(storm.committed) + len(storm.rolled_back) == size.writers * size.changes + 1
    assert changes_made(ironflock, storm.name) == storm.committed
    assert names_with_entries(ironflock, storm.name) == dict.fromkeys(storm.committed, 1)
    ours = flockctl.run("audit", "verify", timeout_s=600).json
    alone = verified_alone(ironflock)
    assert ours["findings"] == alone["findings"] == []
    assert isinstance(alone["entries"], int)
    assert alone["entries"] >= ours["entries"] >= len(storm.committed)
