"""`python -m deploy.local rotate ...`: new secrets for a running platform, one process after the other.

Each process is restarted once and is away for some seconds; the router is not, so that whoever is connected stays. A
rotation that is cut off anywhere is carried on by repeating it: files are written before what they stand for is
changed, and a start brings the database's passwords to what the files say.
"""

import fcntl
import os
import signal
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import frozen
from psycopg import sql

from deploy.local.background import POLL_S, Sleep
from deploy.local.bootstrap import BACKUP, MIGRATE, SUPERUSER, Server, connect, set_password
from deploy.local.errors import PlatformError
from deploy.local.files import tail, write_atomically
from deploy.local.health import unready
from deploy.local.key_files import (
    is_taking_over,
    with_active_master_alone,
    with_new_master,
    with_new_signer,
    with_newest_signer_alone,
)
from deploy.local.preparation import new_key, token
from deploy.local.processes import DATABASE_NAME, PROVISIONER, SERVICES
from deploy.local.records import RUNNING, read_record
from deploy.local.settings import Ports
from deploy.local.state import StateFolder, launcher_pid
from deploy.local.superuser import change, settle
from shared.keyring import LOCK
from shared.secrets import MasterKeys, WrappedKey, parse_master_keys, rewrap

RESTART_TIMEOUT_S: Final = 90.0


class Kind(StrEnum):
    """What can be made anew."""

    MASTER_KEYS = "master-keys"
    AUDIT_KEY = "audit-key"
    AUDIT_KEY_ALONE = "audit-key-alone"
    BUS_SECRETS = "bus-secrets"
    DATABASE_PASSWORDS = "database-passwords"


ALL: Final = frozenset(Kind) - {Kind.AUDIT_KEY_ALONE}
"""At once: the new key of the audit log signs alone when everybody who verifies has it, which people see to."""


class NotRunningError(PlatformError):
    """There is no running platform to rotate the secrets of."""


@frozen
class Surroundings:
    """What reaches out of a rotation."""

    sleep: Sleep
    say: Callable[[str], None]


def rotate(state: StateFolder, kinds: Collection[Kind], around: Surroundings) -> None:
    """Make all of `kinds` anew.

    Raises:
        PlatformError: The platform does not run, another rotation does, or a process did not come back: what is told
            in the text; repeating the rotation carries it on.
    """
    with _one_at_a_time(state):
        record = read_record(state.processes)
        if record.state != RUNNING or record.launcher != launcher_pid(state.lock):
            raise NotRunningError(f"the platform on {state.root} does not run: start it first")
        try:
            _Rotation(state, frozenset(kinds), Ports(record.port_base), around).run()
        except psycopg.Error as error:
            raise PlatformError(f"the database did not take part ({error}): repeat the rotation") from error


@contextmanager
def _one_at_a_time(state: StateFolder) -> Iterator[None]:
    descriptor = os.open(state.secrets, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise PlatformError("another rotation of this platform is under way") from error
    finally:
        os.close(descriptor)


@frozen
class _Rotation:
    state: StateFolder
    kinds: frozenset[Kind]
    ports: Ports
    around: Surroundings

    def run(self) -> None:
        """All of it."""
        masters = self._master_files() if Kind.MASTER_KEYS in self.kinds else {}
        for file in masters.values():
            write_atomically(file, with_new_master(_read(file), *new_key()).encode())
        has_new_signers = self._rotate_audit_key()
        if Kind.DATABASE_PASSWORDS in self.kinds:
            self._new_superuser_password()
            for login in (MIGRATE, BACKUP):  # nobody keeps these open
                self._new_password(login)
        for name in (PROVISIONER, *SERVICES):
            self._rotate_process(name, masters, has_new_signers=has_new_signers)
        for schema, file in masters.items():
            self._leave_old_masters(schema, file)

    def _rotate_process(self, name: str, masters: Mapping[str, Path], *, has_new_signers: bool) -> None:
        has_new = set()
        if Kind.DATABASE_PASSWORDS in self.kinds:
            self._new_password(name if name == PROVISIONER else f"svc_{name}")
            has_new.add("a password")
        if Kind.BUS_SECRETS in self.kinds and name != PROVISIONER:
            write_atomically(self.state.bus_secrets / f"svc_{name}", token().encode())
            has_new.add("a secret on the bus")
        if name in masters:
            has_new.add("a master key")
        if has_new_signers and name == "audit":
            has_new.add("signing keys")
        if has_new:
            self._restart(name)
            self.around.say(f"{name} works with {', '.join(sorted(has_new))} made anew")

    def _master_files(self) -> dict[str, Path]:
        """By schema, which is called as its service."""
        return {
            "auth": self.state.master_keys,
            "devices": self.state.devices_master_keys,
            "fleetdb": self.state.fleetdb_master_keys,
            "tunnels": self.state.tunnels_master_keys,
        }

    def _rotate_audit_key(self) -> bool:
        """Whether other keys are to sign now."""
        file, keys = self.state.audit_signing_keys, self.state.audit_public_keys
        text = _read(file)
        if Kind.AUDIT_KEY in self.kinds and not is_taking_over(text):
            write_atomically(file, with_new_signer(text, *new_key()).encode())
            self.around.say(
                f"two keys sign the audit log's heads now: hand {keys} to everybody who verifies, then `rotate"
                f" {Kind.AUDIT_KEY_ALONE}`"
            )
            return True
        if Kind.AUDIT_KEY_ALONE in self.kinds and is_taking_over(text):
            write_atomically(file, with_newest_signer_alone(text).encode())
            self.around.say("from now on the new key alone signs the audit log's heads")
            return True
        return Kind.AUDIT_KEY in self.kinds  # begun before: audit may not have read it yet

    def _new_superuser_password(self) -> None:
        file, server = self.state.database_secrets / SUPERUSER, self._server()
        settle(server, file)
        change(server, file, token())

    def _new_password(self, login: str) -> None:
        """In the file first: a start that comes between brings the database to it."""
        file = self.state.database_secrets / login
        with connect(self._server(), DATABASE_NAME) as connection:
            password = token()
            write_atomically(file, password.encode())
            set_password(connection, login, password)

    def _restart(self, name: str) -> None:
        before = self._pid(name)
        if before is not None:
            os.kill(before, signal.SIGTERM)
        for _ in range(int(RESTART_TIMEOUT_S / POLL_S)):
            self.around.sleep(POLL_S)
            if self._pid(name) not in (None, before) and not unready(self.ports, self.state):
                return
        reasons = "; ".join(f"{part}: {reason}" for part, reason in unready(self.ports, self.state).items())
        log = self.state.log / f"{name}.log"
        raise PlatformError(f"{name} is not back ({reasons}); mend that and repeat; the end of {log}:\n{tail(log)}")

    def _pid(self, name: str) -> int | None:
        processes = read_record(self.state.processes).processes
        return next((each.pid for each in processes if each.name == name), None)

    def _server(self) -> Server:
        return Server(self.ports.postgres, self.state.ca_certificate, _read(self.state.database_secrets / SUPERUSER))

    def _leave_old_masters(self, schema: str, file: Path) -> None:
        """Wrap every data key of `schema` by the active master key, then take the old ones out of the file."""
        with connect(self._server(), DATABASE_NAME) as connection, connection.transaction():
            count = rewrap_all(connection, schema, parse_master_keys(_read(file)))
        write_atomically(file, with_active_master_alone(_read(file)).encode())
        self.around.say(f"{schema}: {count} data keys are under the new master key, the old one is gone")


def rewrap_all(connection: psycopg.Connection[Any], schema: str, masters: MasterKeys) -> int:
    """Wrap every data key of `schema` by the active one of `masters`; returns how many there are.

    Raises:
        SecretsError: One was wrapped by a key that is not at hand; nothing was changed.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK, schema])
    table = sql.Identifier(schema, "data_key")
    rows = connection.execute(sql.SQL("SELECT key_id, master_key_id, wrapped FROM {}").format(table)).fetchall()
    for row in rows:
        key = rewrap(masters, WrappedKey(*row))
        connection.execute(
            sql.SQL("UPDATE {} SET master_key_id = %s, wrapped = %s WHERE key_id = %s").format(table),
            [key.master_key_id, key.wrapped, key.key_id],
        )
    return len(rows)


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip()
