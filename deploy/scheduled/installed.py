"""What an installation is for a backup, out of settings: where PostgreSQL is, and the files that go along.

`flockctl backup` works on a state folder. Here one is laid out that has what a backup needs and nothing else: what is
remembered of backups and the spool of the log stay in it from run to run; secrets are to lie in memory
(`<STATE>/secrets`, `<STATE>/ca`), and are laid out anew by each run.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from deploy.backup.leftovers import remove_left
from deploy.backup.locking import held
from deploy.local.archive import ensure_unpacked
from deploy.local.bootstrap import BACKUP
from deploy.local.files import write_atomically
from deploy.local.fitting import master_files
from deploy.local.records import RUNNING, PlatformRecord, ProcessRecord, write_record
from deploy.local.settings import FIRST_PORT
from deploy.local.state import StateFolder
from shared.clusters import FIRST, Clusters
from shared.settings import Settings, SettingsError

ABSENT: Final = Path("-")


@frozen
class Installed:
    """Folders and files of one installation, as a pod has them mounted.

    Args:
        secrets: A file each: `database`, `signing-key`, `person-keys`, `audit-signing-keys`, `master-keys-<service>`.
        authority: The CA that signs, `tls.crt` and `tls.key`; `login_authority`: that of data backends' logins.
        audit: Keys, head and ledger of the log, as audit keeps them outside the database.
        clusters: The database servers beside the first, as `shared.clusters` reads them; `ABSENT`: there are none.
        identity: The age identity by which a drill opens a backup; `ABSENT` where there is none.
        is_partial: Whether a backup is taken though a database server, not the first, cannot be reached.
    """

    state: StateFolder
    ca: Path
    host: str
    port: int
    secrets: Path
    authority: Path
    login_authority: Path
    audit: Path
    clusters: Path
    to: Path
    recipients: tuple[str, ...]
    keep: str
    identity: Path
    is_partial: bool


def read_installed(environ: Mapping[str, str]) -> Installed:
    """The settings out of `IRONFLOCK_BACKUP_*`.

    Raises:
        SettingsError: One is missing, malformed or unknown; the text names it.
    """
    settings = Settings("BACKUP", environ)
    recipients = tuple(word.strip() for word in settings.text("RECIPIENTS").split(",") if word.strip())
    if not all(word.startswith("age1") for word in recipients):
        raise SettingsError("IRONFLOCK_BACKUP_RECIPIENTS must be recipients of age, age1..., separated by commas")
    found = Installed(
        state=StateFolder(settings.path("STATE")),
        ca=settings.path("CA_FILE"),
        host=settings.text("DATABASE_HOST"),
        port=settings.port("DATABASE_PORT"),
        secrets=settings.path("SECRETS"),
        authority=settings.path("AUTHORITY"),
        login_authority=settings.path("LOGIN_AUTHORITY"),
        audit=settings.path("AUDIT"),
        clusters=settings.path("CLUSTERS_FOLDER", ABSENT),
        to=settings.path("TO"),
        recipients=recipients,
        keep=settings.text("KEEP", "35d"),
        identity=settings.path("IDENTITY_FILE", ABSENT),
        is_partial=_yes(settings.text("PARTIAL", "no")),
    )
    settings.refuse_unknown()
    return found


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise SettingsError("IRONFLOCK_BACKUP_PARTIAL must be yes or no")
    return text == "yes"


def lay_out(installed: Installed, program: Path, now: float) -> None:
    """Have the state folder say of the installation what it is now; `program` has PostgreSQL's own programs.

    What a drill that was killed left there, the whole installation in clear, is gone then.

    Raises:
        OSError: A file is not where the settings say, or the folder cannot be written.
        BackupError: Somebody else lays it out, and does not end.
    """
    with held(installed.state.root, "another run that begins"):
        _lay_out(installed, program, now)


def _lay_out(installed: Installed, program: Path, now: float) -> None:
    state = installed.state
    for source, target in _files(installed).items():
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, source.read_bytes())
    state.postgres.mkdir(exist_ok=True)
    remove_left(state.postgres)
    ensure_unpacked(program, state.postgres)
    _say_where(installed)
    for source, target in _outside_the_database(installed).items():
        if source.exists():  # none before audit's first entry
            write_atomically(target, source.read_bytes())
    # The settings of the site are those of this process too: a backup has them out of its environment.
    us = ProcessRecord("backup", os.getpid(), None, now, 0)
    write_record(state.processes, PlatformRecord(RUNNING, 0, FIRST_PORT, (us,)))


def _files(installed: Installed) -> dict[Path, Path]:
    """Where each secret comes from, and where it goes."""
    state, secrets = installed.state, installed.secrets
    return {
        installed.ca: state.ca_certificate,
        installed.authority / "tls.key": state.ca / "ca.key",
        installed.login_authority / "tls.crt": state.backend_login_authority / "ca.pem",
        installed.login_authority / "tls.key": state.backend_login_authority / "ca.key",
        secrets / "database": state.database_secrets / BACKUP,
        secrets / "signing-key": state.backup_signing_key,
        secrets / "person-keys": state.person_keys,
        secrets / "audit-signing-keys": state.audit_signing_keys,
        **{secrets / f"master-keys-{name}": file for name, file in master_files(state).items()},
    }


def _outside_the_database(installed: Installed) -> dict[Path, Path]:
    state, audit = installed.state, installed.audit
    return {audit / path.name: path for path in (state.audit_public_keys, state.audit_head, state.ledger)}


def _say_where(installed: Installed) -> None:
    """Every database server, in the words of `shared.clusters`; the login `backup` has one password at all of them."""
    state = installed.state
    others = Clusters(None if installed.clusters == ABSENT else installed.clusters)
    for gone in set(Clusters(state.clusters).names()) - set(others.names()):
        (state.clusters / f"{gone}.json").unlink(missing_ok=True)
    for name in others.names():
        there = others.find(name)
        _write_address(state.clusters / f"{name}.json", there.host, there.port, there.ca)
        password = state.secrets / f"database-{name}" / BACKUP
        password.parent.mkdir(exist_ok=True)
        write_atomically(password, (installed.secrets / "database").read_bytes())
    _write_address(state.elsewhere / f"{FIRST}.json", installed.host, installed.port, installed.ca)


def _write_address(path: Path, host: str, port: int, ca: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, json.dumps({"host": host, "port": port, "ca_file": str(ca.absolute())}).encode())
