"""Audit's rooms on a real database, with stand-ins for realms and auth, and the log read as verifiers read it."""

import asyncio
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg.types.json import Jsonb

from services.audit.bell import Bell
from services.audit.head_file import HeadFile
from services.audit.integrator import Integrator
from services.audit.projects import PersonalValues, Projects
from services.audit.reading import Reading
from services.audit.settings import LogKeys
from services.audit.signing import Notary
from services.audit.tiles import Tiles
from shared.bus import Bus
from shared.database import Database
from shared.errors import NotFoundError, UnavailableError
from shared.health import Health
from shared.identities import Person
from shared.tlog.checkpoint import Checkpoint
from shared.tlog.errors import AbsentError
from shared.tlog.findings import Report
from shared.tlog.heads import Trust
from shared.tlog.layout import bundle_at, entries_path, tile_path, tiles
from shared.tlog.note import SignedNote, Signer
from shared.tlog.verification import verify_log
from tests.harness.rights import KnownRights
from tests.integration.database import Postgres

ORIGIN = "test.example/audit"
SIGNER = Signer.from_seed(ORIGIN, b"k" * 32)
ANNA, BERT = Person(5, 11, "key-1"), Person(6, 12)
PLANT, MILL = 1, 2
CALL = b"SELECT audit.record(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
_counter = itertools.count(1)


def salts(count: int) -> list[bytes]:
    """Salts that never repeat in a test run."""
    return [next(_counter).to_bytes(32, "big") for _ in range(count)]


def arguments(**said: Any) -> list[Any]:
    """The arguments of `audit.record` for a device renamed, changed by `said`."""
    known: dict[str, Any] = {
        "action": "device.renamed",
        "aspect": "name",
        "actor": {"kind": "person", "key": 5, "credential": None, "on_behalf_of": None},
        "asset": {"kind": "device", "key": 7},
        "project": PLANT,
        "before": {"name": "old"},
        "after": {"name": "new"},
        "reason": None,
        "source": {"session": None, "address": None, "request": None},
        "outcome": "done",
    }
    values = {**known, **said}
    return [Jsonb(value) if isinstance(value, dict) else value for value in values.values()]


def person(key: int) -> dict[str, Any]:
    """An actor."""
    return {"kind": "person", "key": key, "credential": None, "on_behalf_of": None}


class FakeBus:
    """Realms, where whoever holds anything in a project has to do with it, and auth, which opens what it is told to."""

    def __init__(self, rights: KnownRights) -> None:
        """Auth is away."""
        self._rights = rights
        self.texts: dict[str, str | None] | None = None

    async def call(self, procedure: str, **said: Any) -> Any:
        """What the service answers."""
        if procedure == "ironflock.realms.project.resolve":
            key = {"plant": PLANT, "mill": MILL}.get(said["project"], said["project"])
            if key not in self._reachable(said["account_key"]):
                raise NotFoundError("there is no such project, or you may not see it")
            return {"project_key": key, "name": "x"}
        if procedure == "ironflock.realms.project.reachable":
            return [{"project_key": key} for key in self._reachable(said["account_key"])]
        assert procedure == "ironflock.auth.personal.open"
        if self.texts is None:
            raise UnavailableError("auth is away")
        return [self.texts.get(each["sealed"]) for each in said["items"]]

    def _reachable(self, account_key: int) -> list[int]:
        return sorted(domain.key for domain in self._rights.known(account_key))


class SavedLog:
    """What was served, as a `LogReader`."""

    def __init__(self, served: dict[str, bytes]) -> None:
        """Hold `served`, content by path."""
        self.served = served

    def _content(self, path: str) -> bytes:
        if path not in self.served:
            raise AbsentError(path)
        return self.served[path]

    def checkpoint(self) -> bytes:
        """The head."""
        return self._content("checkpoint")

    def tile(self, level: int, index: int, width: int) -> bytes:
        """A tile."""
        return self._content(tile_path(level, index, width))

    def entries(self, index: int, width: int) -> bytes:
        """A bundle."""
        return self._content(entries_path(index, width))


class World:
    """Everything of one test."""

    def __init__(self, postgres: Postgres, database: Database, folder: Path) -> None:
        """Nothing is integrated yet."""
        self.postgres = postgres
        self.database = database
        self.notary = Notary(ORIGIN, LogKeys((SIGNER,), (SIGNER.verifier_key,)))
        self.bell = Bell()
        self.health = Health()
        self.heads = HeadFile(folder / "head", self.notary.verifiers)
        self.head_file = folder / "head"
        self.tiles = Tiles(database)
        self.rights = KnownRights()
        self.rights.own(5, PLANT)
        self.rights.own(6, MILL)
        self.bus = FakeBus(self.rights)
        self.projects = Projects(cast(Bus, self.bus), self.rights)
        self.reading = Reading(self.projects, PersonalValues(cast(Bus, self.bus)))
        self.integrator = self.restarted()

    def restarted(self, batch: int = 100) -> Integrator:
        """An integrator that knows nothing yet."""
        self.integrator = Integrator(self.database, self.notary, self.heads, self.bell, self.health, batch=batch)
        return self.integrator

    def record(self, count: int = 1, login: str = "svc_devices", **said: Any) -> list[int]:
        """Record as a service does, each entry in a transaction of its own; the ids."""
        with self.postgres.connect(login) as connection:
            return [record_on(connection, **said) for _ in range(count)]

    async def settle(self, make: Callable[[int], list[bytes]] = salts) -> None:
        """Integrate until the queue is empty."""
        while await self.integrator.step(make):
            pass

    async def recorded(self, count: int = 1, **said: Any) -> list[int]:
        """Record and integrate."""
        ids = self.record(count, **said)
        await self.settle()
        return ids

    async def saved(self) -> SavedLog:
        """Everything that verifiers can fetch."""
        served = {"checkpoint": (await self.tiles.answer("audit/checkpoint")).content}
        size = Checkpoint.parse(SignedNote.parse(served["checkpoint"]).text).size
        paths = [tile.path for tile in tiles(size)]
        paths += [bundle_at(index, size).path for index in range(-(-size // 256))]
        for path in paths:
            answer = await self.tiles.answer(f"audit/{path}")
            if answer.status == 200:
                served[path] = answer.content
        return SavedLog(served)

    async def verified(self, last_head: Checkpoint | None = None) -> Report:
        """What verification says."""
        return verify_log(await self.saved(), Trust(self.notary.verifiers, last_head))

    async def head(self) -> Checkpoint:
        """The newest head, as it is served."""
        return Checkpoint.parse(SignedNote.parse((await self.saved()).checkpoint()).text)

    def entries(self) -> list[tuple[int, int]]:
        """Leaf index and id of every entry."""
        return [(row[0], row[1]) for row in self.postgres.rows("SELECT leaf_index, id FROM audit.entry ORDER BY 1")]

    def as_superuser(self, *statements: str) -> None:
        """Do what only a superuser can: past every trigger."""
        with self.postgres.connect() as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                connection.execute(statement.encode())


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, at most 20 seconds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for is in a database
            await asyncio.sleep(0.01)


def record_on(connection: psycopg.Connection[Any], **said: Any) -> int:
    """Record an entry on `connection`; its id."""
    row = connection.execute(CALL, arguments(**said)).fetchone()
    assert row is not None
    return int(row[0])


def ids_of(entries: Iterable[dict[str, Any]]) -> list[int]:
    """The ids of entries as people see them."""
    return [entry["id"] for entry in entries]
