"""PostgreSQL as the platform has it, once for a test run: roles, rights and migrations are the real ones."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from shared.database import Database, DatabaseSettings, Password
from shared.health import Health
from tests.harness.ports import free_port_base
from tests.harness.scratch import new_folder
from tests.harness.waiting import wait_until

ROOT = Path(__file__).parents[2]
TABLES = (
    "audit.queue",
    "audit.entry",
    "audit.cosignature",
    "audit.checkpoint",
    "audit.redaction",
    "audit.leaf",
    "audit.tile",
    "audit.retention",
    "audit.forwarder",
    "auth.client",  # some act as an account
    "auth.sign_in",  # begun by a passkey, it is nobody's yet
    "auth.account",  # and what hangs on an account
    "auth.assertion_key",
    "auth.device_code",
    "auth.signing_key",
    "auth.throttle",
    "auth.upstream_request",
    "auth.upstream_logout",
    "auth.data_key",
    "auth.device_credential",
    "auth.board_ticket",
    "realms.provision_job",
    "realms.backend_move",
    "realms.move",
    "realms.provisioner",
    "realms.reader",
    "realms.board_session",
    "realms.board",
    "realms.retention",
    "realms.retention_change",
    "realms.backend",
    "realms.project_database",
    "realms.project",  # and what is installed there
    "realms.app",
    "realms.cluster",
    "realms.cell",
    "realms.news",
    "realms.project_import",  # and its keys
    "devices.outbox",
    "devices.app_ending",
    "devices.alert_telling",
    "devices.alert_channel",
    "devices.alert_device",
    "devices.alert_rule",
    "devices.alert",
    "devices.app_order",
    "devices.release_contents",
    "devices.tunnel_order",
    "devices.rollout_turn",
    "devices.rollout",
    "devices.app_rotation",
    "devices.open_intent",
    "devices.terminal",
    "devices.app_list",
    "devices.group_app_device",
    "devices.group_app",
    "devices.device_tag",
    "devices.decommission",
    "devices.group_member",
    "devices.device_group",
    "devices.device",
    "devices.project",
    "devices.data_key",
    "gateway.answer",
    "fleetdb.backend_login",
    "fleetdb.resealed",
    "fleetdb.transform",
    "fleetdb.data_key",
    "tunnels.tunnel",  # and what hangs on it
    "tunnels.remote_port",
    "tunnels.told_ports",
    "tunnels.visit",
    "tunnels.browser",
    "tunnels.identity_key",
    "tunnels.node_session",
    "tunnels.recorded_app",
    "tunnels.recording",  # and its parts
    "tunnels.data_key",
    "privileges.asset",
    "privileges.domain",  # and what hangs on it
    "privileges.lock",
    "privileges.change",
    "privileges.gone",
)
# What a migration puts into a table.
BEGINNING: tuple[LiteralString, ...] = (
    "INSERT INTO privileges.domain (kind, key, name, name_canonical) VALUES ('installation', 1, 'this', 'this')",
    "INSERT INTO privileges.asset (kind, key, domain_kind, domain_key) VALUES ('installation', 1, 'installation', 1)",
    "UPDATE privileges.stream SET position = 0",
    (
        "INSERT INTO realms.cluster (cluster_key, name, region, capacity, reached_at) OVERRIDING SYSTEM VALUE"
        " VALUES (1, 'first', 'default', 10000, now())"
    ),
    (
        "INSERT INTO realms.cell (cell_key, name, region, capacity) OVERRIDING SYSTEM VALUE"
        " VALUES (1, 'first', 'default', 10000)"
    ),
)
FORGET: tuple[str, ...] = (
    "SET LOCAL session_replication_role = replica",  # the log's triggers refuse this to everybody else
    *(f"DELETE FROM {table}" for table in TABLES if table.startswith("audit.")),  # noqa: S608 - named above
    "SET LOCAL session_replication_role = origin",
    *(f"DELETE FROM {table}" for table in TABLES if not table.startswith("audit.")),  # noqa: S608
    *BEGINNING,
)


class Postgres:
    """One server in a folder of its own, migrated; beside it a second cluster, where there are to be two."""

    def __init__(self, clusters: int = 1) -> None:
        """Choose a folder and a port; nothing runs yet."""
        self._clusters = clusters
        self.folder = new_folder()
        self._state = self.folder / "state"
        self._base = free_port_base()
        self._launcher: subprocess.Popen[bytes] | None = None
        self._open: psycopg.Connection[Any] | None = None

    @property
    def ca(self) -> Path:
        """The authority that signed the server's certificate."""
        return self._state / "ca" / "ca.pem"

    @property
    def second_port(self) -> int:
        """Where the second cluster listens."""
        return self._base + 2

    @property
    def clusters(self) -> Path:
        """The folder that says where the clusters beside the first are."""
        return self._state / "clusters"

    @property
    def login_ca(self) -> Path:
        """Where the authority is that signs certificates of data backends."""
        return self._state / "secrets" / "backend-login-ca"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._base + 6

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        log = self.folder / "out"
        told = {"IRONFLOCK_LOCAL_STATE": str(self._state), "IRONFLOCK_LOCAL_PORT_BASE": str(self._base)}
        told["IRONFLOCK_LOCAL_CLUSTERS"] = str(self._clusters)
        with log.open("wb") as out:
            self._launcher = subprocess.Popen(
                [sys.executable, "-m", "deploy.local", "database"],
                cwd=ROOT,
                env=self._environment(told),
                stdout=out,
                stderr=out,
            )
        wait_until(self._is_up, 60, "PostgreSQL runs")

    def _is_up(self) -> bool:
        text = (self.folder / "out").read_text()
        assert self._launcher is not None
        assert self._launcher.poll() is None, text
        return "PostgreSQL runs" in text

    def stop(self) -> None:
        """Stop it; its data stays."""
        if self._open is not None:
            self._open.close()
            self._open = None
        if self._launcher is not None:
            self._launcher.send_signal(signal.SIGTERM)
            self._launcher.wait(60)
            self._launcher = None

    def remove(self) -> None:
        """Stop it and remove what it had."""
        self.stop()
        shutil.rmtree(self.folder)

    def migrate(self) -> subprocess.CompletedProcess[str]:
        """Run the platform's migrations to their end."""
        return self.start_migrating().communicated()

    def start_migrating(self) -> "Migrating":
        """Begin to run the platform's migrations."""
        prefix = "IRONFLOCK_MIGRATE_"
        told = {
            f"{prefix}DATABASE_HOST": "localhost",
            f"{prefix}DATABASE_PORT": str(self.port),
            f"{prefix}DATABASE_NAME": "ironflock",
            f"{prefix}DATABASE_PASSWORD_FILE": str(self.secret_file("migrate")),
            f"{prefix}CA_FILE": str(self.ca),
        }
        return Migrating(self._environment(told))

    def settings(self, login: str) -> DatabaseSettings:
        """Where `login` connects."""
        password = Password(self.secret_file(login).read_text().strip())
        return DatabaseSettings("localhost", self.port, "ironflock", login, password, self.ca)

    def connect(self, login: str = "postgres", **changes: Any) -> psycopg.Connection[Any]:
        """A connection of `login`, which commits each statement."""
        arguments: dict[str, Any] = {
            "host": "localhost",
            "port": self.port,
            "dbname": "ironflock",
            "user": login,
            "password": self.secret_file(login).read_text().strip(),
            "sslmode": "verify-full",
            "sslrootcert": str(self.ca),
            "connect_timeout": 5,
        }
        return psycopg.connect(**{**arguments, **changes}, autocommit=True)

    def connect_second(self, **changes: Any) -> psycopg.Connection[Any]:
        """A connection of the superuser to the second cluster."""
        password = (self._state / "secrets" / "database-second" / "postgres").read_text().strip()
        return self.connect("postgres", port=self.second_port, **{"password": password, **changes})

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the superuser sees."""
        return self._superuser().execute(query.encode(), parameters or None).fetchall()

    def run(self, statement: str, *parameters: Any) -> None:
        """Let the superuser do it."""
        self._superuser().execute(statement.encode(), parameters or None)

    def clear(self) -> None:
        """Forget what the tests before wrote."""
        self._superuser().execute("; ".join(FORGET).encode())  # one round trip, one transaction

    def _superuser(self) -> psycopg.Connection[Any]:
        if self._open is None:
            self._open = self.connect()
        return self._open

    def audited(self) -> list[tuple[str, str]]:
        """Action and outcome of every entry in the queue, in order."""
        return [(row[0], row[1]) for row in self.rows("SELECT action, outcome FROM audit.queue ORDER BY id")]

    @asynccontextmanager
    async def database(self, login: str, health: Health | None = None) -> AsyncIterator[Database]:
        """The pool of a service, open during the block."""
        database = Database(self.settings(login), health or Health())
        await database.open()
        try:
            yield database
        finally:
            await database.close()

    def secret_file(self, login: str) -> Path:
        """The password of `login`."""
        return self._state / "secrets" / "database" / login

    def _environment(self, told: dict[str, str]) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **told}


class Migrating:
    """A running `python -m deploy.migrate`."""

    def __init__(self, environment: dict[str, str]) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deploy.migrate"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def communicated(self) -> subprocess.CompletedProcess[str]:
        """How it ended, and what it said."""
        out, err = self._process.communicate(timeout=60)
        return subprocess.CompletedProcess([], self._process.returncode, out, err)
