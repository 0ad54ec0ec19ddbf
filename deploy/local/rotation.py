"""`python -m deploy.local rotate ...`: new secrets for a running platform, a few processes at a time.

Each process is restarted once and is away for some seconds; the router is not, so that whoever is connected stays. A
rotation that is cut off anywhere is carried on by repeating it: files are written before what they stand for is
changed. A start brings the database's passwords to what the files say, and takes keys that were taken over from out of
their files (`retiring`).
"""

import datetime as dt
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import psycopg
from attrs import frozen

from deploy.local.authority_rotation import AuthorityRotation
from deploy.local.bootstrap import BACKUP, DOCTOR, MIGRATE, SUPERUSER, Server, connect, set_password
from deploy.local.errors import PlatformError
from deploy.local.files import read_secret, write_atomically
from deploy.local.fitting import master_files
from deploy.local.key_files import (
    is_taking_over,
    with_new_master,
    with_new_signer,
    with_newest_signer_alone,
)
from deploy.local.kinds import Kind
from deploy.local.preparation import new_key, token
from deploy.local.processes import DATABASE_NAME, PROVISIONER, SERVICES
from deploy.local.records import RUNNING, read_record
from deploy.local.resealing import have_signing_key_followed
from deploy.local.retiring import one_at_a_time, retire_masters, retire_person_keys
from deploy.local.running import RunningPlatform, Surroundings
from deploy.local.state import StateFolder, launcher_pid
from deploy.local.superuser import change, settle
from shared.clusters import FIRST

AT_ONCE: Final = 2
"""So many processes are restarted at a time: each is busy for a second with its own start."""


class NotRunningError(PlatformError):
    """There is no running platform to rotate the secrets of."""


def rotate(state: StateFolder, kinds: Collection[Kind], around: Surroundings, now: dt.datetime) -> None:
    """Make all of `kinds` anew, at `now`.

    Raises:
        PlatformError: The platform does not run, another rotation does, or a process did not come back: what is told
            in the text; repeating the rotation carries it on.
    """
    with one_at_a_time(state):
        record = read_record(state.processes)
        if record.state != RUNNING or record.launcher != launcher_pid(state.lock):
            raise NotRunningError(f"the platform on {state.root} does not run: start it first")
        try:
            platform = RunningPlatform(state, record.ports, around)
            _Rotation(state, frozenset(kinds), platform).run()
            _succeed(frozenset(kinds), AuthorityRotation(platform, now))
        except psycopg.Error as error:
            raise PlatformError(f"the database did not take part ({error}): repeat the rotation") from error


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
            write_atomically(file, with_new_master(read_secret(file), *new_key()).encode())
        has_new_signers = self._rotate_audit_key()
        if Kind.DATABASE_PASSWORDS in self.kinds:
            for name, server in self.platform.servers_by_name().items():
                self._new_superuser_password(name, server)
                self._new_password(BACKUP, name)  # nobody keeps it open
            self._new_password(MIGRATE)  # nor this one
            self._new_password(DOCTOR)
        if Kind.SIGNING_KEYS in self.kinds:
            self._have_signing_key_followed()
        names = (PROVISIONER, *SERVICES)
        for at in range(0, len(names), AT_ONCE):
            self._rotate_processes(names[at : at + AT_ONCE], masters, has_new_signers=has_new_signers)
        self._retire(masters, person_keys)

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
        text = read_secret(file)
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
        with connect(self.platform.server(), DATABASE_NAME) as connection:
            have_signing_key_followed(connection)

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

    def _retire(self, masters: Collection[str], person_keys: Collection[Path]) -> None:
        """Every process works with the new keys: nothing needs the old ones."""
        with connect(self.platform.server(), DATABASE_NAME) as connection:
            for schema in masters:
                self.platform.around.say(retire_masters(connection, self.state, schema))
            if person_keys:
                self.platform.around.say(retire_person_keys(connection, self.state))
