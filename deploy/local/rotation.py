"""`python -m deploy.local rotate ...`: new secrets for a running platform, a few processes at a time.

Each process is restarted once and is away for some seconds; the router is not, so that whoever is connected stays. A
rotation that is cut off anywhere is carried on by repeating it: files are written before what they stand for is
changed, and a start brings the database's passwords to what the files say.
"""

import datetime as dt
import fcntl
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import frozen
from psycopg import sql

from deploy.local.authority_rotation import AuthorityRotation
from deploy.local.bootstrap import BACKUP, MIGRATE, SUPERUSER, Server, connect, set_password
from deploy.local.errors import PlatformError
from deploy.local.files import ensure_folder, write_atomically
from deploy.local.fitting import master_files
from deploy.local.key_files import (
    is_taking_over,
    with_active_master_alone,
    with_masters_of,
    with_new_master,
    with_new_signer,
    with_newest_signer_alone,
)
from deploy.local.person_keys import reseal, sealer_of
from deploy.local.preparation import new_key, token
from deploy.local.processes import DATABASE_NAME, PROVISIONER, SERVICES
from deploy.local.records import RUNNING, read_record
from deploy.local.running import RunningPlatform, Surroundings
from deploy.local.state import StateFolder, launcher_pid
from deploy.local.superuser import change, settle
from shared.clusters import FIRST
from shared.keyring import LOCK
from shared.secrets import MasterKeys, WrappedKey, parse_master_keys, rewrap

AT_ONCE: Final = 2
"""So many processes are restarted at a time: each is busy for a second with its own start."""
_FOLLOWED: Final = (
    "UPDATE auth.signing_key SET is_to_be_followed = true"
    " WHERE created_at = (SELECT max(created_at) FROM auth.signing_key)"
)
REMEMBERED: Final = "backup.json"
"""There where backups are taken. Source: deploy/backup/remembering.py."""


class Kind(StrEnum):
    """What can be made anew."""

    MASTER_KEYS = "master-keys"
    AUDIT_KEY = "audit-key"
    AUDIT_KEY_ALONE = "audit-key-alone"
    BUS_SECRETS = "bus-secrets"
    DATABASE_PASSWORDS = "database-passwords"
    SIGNING_KEYS = "signing-keys"
    CA_TRUST = "ca-trust"
    CA_ISSUE = "ca-issue"
    CA_DROP = "ca-drop"
    PERSON_KEYS = "person-keys"


CA: Final = frozenset({Kind.CA_TRUST, Kind.CA_ISSUE, Kind.CA_DROP})
"""Both authorities, from one to the next; at once where everybody who trusts them reads the file where it lies."""
ALL: Final = frozenset(Kind) - {Kind.AUDIT_KEY_ALONE} - CA
"""At once; people see to it that a new key of the audit log, or a new CA, is where it must be before it is alone."""


class NotRunningError(PlatformError):
    """There is no running platform to rotate the secrets of."""


def rotate(state: StateFolder, kinds: Collection[Kind], around: Surroundings, now: dt.datetime) -> None:
    """Make all of `kinds` anew, at `now`.

    Raises:
        PlatformError: The platform does not run, another rotation does, or a process did not come back: what is told
            in the text; repeating the rotation carries it on.
    """
    with _one_at_a_time(state):
        record = read_record(state.processes)
        if record.state != RUNNING or record.launcher != launcher_pid(state.lock):
            raise NotRunningError(f"the platform on {state.root} does not run: start it first")
        try:
            platform = RunningPlatform(state, record.ports, around)
            _Rotation(state, frozenset(kinds), platform).run()
            _succeed(frozenset(kinds), AuthorityRotation(platform, now))
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


def _succeed(kinds: frozenset[Kind], authorities: AuthorityRotation) -> None:
    if Kind.CA_TRUST in kinds:
        authorities.trust()
    if Kind.CA_ISSUE in kinds:
        authorities.issue()
    if Kind.CA_DROP in kinds:
        authorities.drop()


@frozen
class _Rotation:
    state: StateFolder
    kinds: frozenset[Kind]
    platform: RunningPlatform

    def run(self) -> None:
        """All of it."""
        masters = master_files(self.state) if Kind.MASTER_KEYS in self.kinds else {}
        person_keys = [self.state.person_keys] if Kind.PERSON_KEYS in self.kinds else []
        for file in (*masters.values(), *person_keys):
            write_atomically(file, with_new_master(_read(file), *new_key()).encode())
        has_new_signers = self._rotate_audit_key()
        if Kind.DATABASE_PASSWORDS in self.kinds:
            for name, server in self.platform.servers_by_name().items():
                self._new_superuser_password(name, server)
                self._new_password(BACKUP, name)  # nobody keeps it open
            self._new_password(MIGRATE)  # nor this one
        if Kind.SIGNING_KEYS in self.kinds:
            self._have_signing_key_followed()
        names = (PROVISIONER, *SERVICES)
        for at in range(0, len(names), AT_ONCE):
            self._rotate_processes(names[at : at + AT_ONCE], masters, has_new_signers=has_new_signers)
        for schema, file in masters.items():
            self._leave_old_masters(schema, file)
        for file in person_keys:
            self._leave_old_person_keys(file)

    def _rotate_processes(self, names: tuple[str, ...], masters: Mapping[str, Path], *, has_new_signers: bool) -> None:
        made = {name: self._made_anew(name, masters, has_new_signers=has_new_signers) for name in names}
        concerned = {name: has_new for name, has_new in made.items() if has_new}
        if concerned:
            self.platform.restart(*concerned)
        for name, has_new in concerned.items():
            self.platform.around.say(f"{name} works with {', '.join(sorted(has_new))} made anew")

    def _made_anew(self, name: str, masters: Mapping[str, Path], *, has_new_signers: bool) -> set[str]:
        """What the process `name` finds anew at its next start, in words."""
        has_new = set()
        if Kind.DATABASE_PASSWORDS in self.kinds:
            self._new_passwords_of(name)
            has_new.add("a password")
        if Kind.BUS_SECRETS in self.kinds and name != PROVISIONER:
            write_atomically(self.state.bus_secrets / f"svc_{name}", token().encode())
            has_new.add("a secret on the bus")
        if name in masters:
            has_new.add("a master key")
        if Kind.PERSON_KEYS in self.kinds and name == "auth":
            has_new.add("a key for the keys of people")
        if has_new_signers and name == "audit":
            has_new.add("signing keys")
        if Kind.SIGNING_KEYS in self.kinds and name == "auth":
            has_new.add("a key for tokens")
        return has_new

    def _new_passwords_of(self, name: str) -> None:
        """The provisioner is known to every database server, a service to the first alone."""
        if name != PROVISIONER:
            self._new_password(f"svc_{name}")
            return
        for server in self.platform.servers_by_name():
            self._new_password(PROVISIONER, server)

    def _rotate_audit_key(self) -> bool:
        """Whether other keys are to sign now."""
        file, keys = self.state.audit_signing_keys, self.state.audit_public_keys
        text = _read(file)
        if Kind.AUDIT_KEY in self.kinds and not is_taking_over(text):
            write_atomically(file, with_new_signer(text, *new_key()).encode())
            self.platform.around.say(
                f"two keys sign the audit log's heads now: hand {keys} to everybody who verifies, then `rotate"
                f" {Kind.AUDIT_KEY_ALONE}`"
            )
            return True
        if Kind.AUDIT_KEY_ALONE in self.kinds and is_taking_over(text):
            write_atomically(file, with_newest_signer_alone(text).encode())
            self.platform.around.say("from now on the new key alone signs the audit log's heads")
            return True
        return Kind.AUDIT_KEY in self.kinds  # begun before: audit may not have read it yet

    def _have_signing_key_followed(self) -> None:
        """Auth, which looks at its start, makes the next one; it signs once everybody can have heard of it."""
        with connect(self.platform.server(), DATABASE_NAME) as connection:
            connection.execute(_FOLLOWED)

    def _new_superuser_password(self, name: str, server: Server) -> None:
        file = self.state.database_secrets_of(name) / SUPERUSER
        settle(server, file)
        change(server, file, token())

    def _new_password(self, login: str, server: str = FIRST) -> None:
        """In the file first: a start that comes between brings the database to it."""
        file = self.state.database_secrets_of(server) / login
        with connect(self.platform.servers_by_name()[server], DATABASE_NAME) as connection:
            password = token()
            write_atomically(file, password.encode())
            set_password(connection, login, password)

    def _leave_old_masters(self, schema: str, file: Path) -> None:
        """Wrap every data key of `schema` by the active master key, then take the old ones out of the file."""
        with connect(self.platform.server(), DATABASE_NAME) as connection, connection.transaction():
            count = rewrap_all(connection, schema, parse_master_keys(_read(file)))
        is_kept = self._retire_masters(file)
        write_atomically(file, with_active_master_alone(_read(file)).encode())
        old = f"in {self.state.retired_master_keys} until the next backup" if is_kept else "gone"
        self.platform.around.say(f"{schema}: {count} data keys are under the new master key, the old one is {old}")

    def _retire_masters(self, file: Path) -> bool:
        """Keep what leaves the file for the next backup, where there are any: moments of before need it."""
        if not (self.state.root / REMEMBERED).exists():
            return False
        ensure_folder(self.state.retired_master_keys)
        kept = self.state.retired_master_keys / file.name
        text = _read(file)
        write_atomically(kept, (with_masters_of(text, _read(kept)) if kept.exists() else text).encode())
        return True

    def _leave_old_person_keys(self, file: Path) -> None:
        """From then on no backup of before opens on this machine either what was erased since."""
        with connect(self.platform.server(), DATABASE_NAME) as connection:
            count = reseal(connection, sealer_of(self.state))
        write_atomically(file, with_active_master_alone(_read(file)).encode())
        self.platform.around.say(f"{count} keys of people are sealed by the new key, the old one is gone")


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
