"""The provisioner on a real database: jobs done when the test says so, and killed where it says so."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import psycopg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.realms.provisioner import cluster, settings
from services.realms.provisioner.certificates import Authority, certificate_for, load_authority
from services.realms.provisioner.places import Place
from services.realms.provisioner.working import Provisioner, Surroundings
from services.realms.store.clusters import cluster_key_of
from shared.clusters import FIRST, Clusters
from shared.database import DatabaseSettings, connection_arguments
from tests.integration.database import Postgres

CONTROL: Final = "ironflock"
MOST_ROUNDS: Final = 100


class KilledError(BaseException):
    """The provisioner's process is gone, as by SIGKILL: nothing of it catches this."""


class Breaking(psycopg.AsyncConnection[Any]):
    """A connection that is gone after so many statements, each of which the server has carried out."""

    left: "Countdown | None" = None

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Carry it out, and perhaps be gone then."""
        done = await super().execute(*args, **kwargs)
        if self.left is not None:
            self.left.count()
        return done


class Countdown:
    """Counts the statements of a provisioner; kills it after the one of that number."""

    def __init__(self, after: int | None = None) -> None:
        self.done = 0
        self._after = after

    def count(self) -> None:
        """One more was carried out."""
        self.done += 1
        if self._after is not None and self.done >= self._after:
            raise KilledError


class Provisioning:
    """One provisioner after the other, on one server."""

    def __init__(self, postgres: Postgres, cluster: str = FIRST) -> None:
        self.postgres = postgres
        self.cluster = cluster
        self.now = dt.datetime.now(dt.UTC)  # noqa: TID251 - certificates are valid now

    @property
    def authority(self) -> Authority:
        """The CA of the logins."""
        return load_authority(*(self.postgres.login_ca / name for name in ("ca.pem", "ca.key")))

    async def run(self, countdown: Countdown | None = None) -> None:
        """Let a provisioner work until nothing is due; or until it is killed, its connections with it."""
        async with self._started(countdown or Countdown()) as provisioner:
            for _ in range(MOST_ROUNDS):
                if not await provisioner.work():
                    break
            await provisioner.watch()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """A provisioner works while the block runs."""
        async with self._started(Countdown()) as provisioner:

            async def work() -> None:
                while True:
                    await provisioner.work()
                    await asyncio.sleep(0.01)

            working = asyncio.create_task(work())
            try:
                yield
            finally:
                working.cancel()
                with suppress(asyncio.CancelledError):
                    await working

    def undone(self) -> list[tuple[str, str | None]]:
        """Jobs that are not done, with what they failed by."""
        return self.postgres.rows("SELECT kind, error FROM realms.provision_job WHERE done_at IS NULL ORDER BY job_key")

    def place(self) -> Place:
        """The cluster that it works on."""
        found = settings.ProvisionerSettings(
            database=self.postgres.settings(settings.LOGIN),
            ca_certificate=self.postgres.login_ca / "ca.pem",
            ca_key=self.postgres.login_ca / "ca.key",
            clusters=Clusters(self.postgres.clusters),
            alive=None,
            traces=None,
        )
        return Place(self.cluster, found)

    @asynccontextmanager
    async def _started(self, countdown: Countdown) -> AsyncIterator[Provisioner]:
        opened: list[Breaking] = []

        async def connected(where: DatabaseSettings, database: str, counted: Countdown | None = countdown) -> Breaking:
            made = await Breaking.connect(**{**connection_arguments(where), "dbname": database})
            made.left = counted
            opened.append(made)
            return made

        place = self.place()
        try:
            control = await connected(place.found.database, CONTROL, None)
            server = control if place.is_first else await connected(place.settings(), CONTROL, None)
            await cluster.take_turn(server)
            where, key = place.settings(), await cluster_key_of(control, place.name)
            assert key is not None
            control.left = server.left = countdown
            around = Surroundings(
                cluster_key=key,
                host=where.host,
                port=where.port,
                connect=lambda name: connected(where, name),
                authority=lambda: self.authority,
                now=lambda: self.now,
            )
            yield Provisioner(around, control, None if place.is_first else server)
        finally:
            for each in opened:
                each.left = None
                each.pgconn.finish()


class Login:
    """A login of a data backend with its certificate, as fleetdb has it, or whoever stole it."""

    def __init__(self, provisioning: Provisioning, folder: Path, database: str, login: str) -> None:
        self._postgres = provisioning.postgres
        self.database = database
        self.login = login
        self.certificate, self.key = folder / f"{login}.pem", folder / f"{login}.key"
        key = ec.generate_private_key(ec.SECP256R1())
        self.key.touch(mode=0o600)
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        text, _ = certificate_for(provisioning.authority, login, pem_of(key), provisioning.now)
        self.certificate.write_text(text)

    @classmethod
    def of(cls, provisioning: Provisioning, folder: Path, backend_key: int) -> Self:
        """The present one of the backend."""
        ((database, login),) = provisioning.postgres.rows(
            "SELECT database_name, login_name FROM realms.backend JOIN realms.project_database USING (project_key)"
            " WHERE backend_key = %s",
            backend_key,
        )
        return cls(provisioning, folder, database, login)

    def connect(self, **changes: Any) -> psycopg.Connection[Any]:
        """A session; each statement commits."""
        arguments: dict[str, Any] = {
            "host": "localhost",
            "port": self._postgres.port,
            "dbname": self.database,
            "user": self.login,
            "sslmode": "verify-full",
            "sslrootcert": str(self._postgres.ca),
            "sslcert": str(self.certificate),
            "sslkey": str(self.key),
            "connect_timeout": 5,
        }
        return psycopg.connect(**{**arguments, **changes}, autocommit=True)

    def opens(self, **changes: Any) -> bool:
        """Whether it does."""
        try:
            self.connect(**changes).close()
        except psycopg.OperationalError:
            return False
        return True


def new_key() -> ec.EllipticCurvePrivateKey:
    """One of the kind that is taken."""
    return ec.generate_private_key(ec.SECP256R1())


def pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    """Its public half."""
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
