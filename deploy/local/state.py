"""Where the state of a local platform lies, and what lies in it.

`state_folder` is one pure rule, so that the launcher and flockctl cannot disagree about it.
"""

import fcntl
import os
import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self

from attrs import frozen

from deploy.local.errors import PlatformError
from shared.clusters import FIRST

SETTING: Final = "IRONFLOCK_LOCAL_STATE"
FOLDER_NAME: Final = ".ironflock"
SYSTEM_FOLDER: Final = Path("/var/lib/ironflock")
LOCK_TRIES: Final = 10
LOCK_RETRY_S: Final = 0.05
REPOSITORY: Final = Path(__file__).resolve().parents[2]


def state_folder(
    environ: Mapping[str, str], repository: Path, *, is_root: bool, others_may_cross: Callable[[Path], bool]
) -> Path:
    """The state folder: the setting, else `.ironflock` in the repository, else `/var/lib/ironflock`.

    The last is for root whose repository lies under a folder that others may not cross (such as `/root`): PostgreSQL
    refuses to run as root, and the user that runs it must reach its data.
    """
    chosen = environ.get(SETTING, "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    if is_root and not others_may_cross(repository):
        return SYSTEM_FOLDER
    return repository / FOLDER_NAME


def others_may_cross(folder: Path) -> bool:
    """Whether `folder` and every folder above it has the execute permission for others."""
    return all(stat.S_IMODE(each.stat().st_mode) & stat.S_IXOTH for each in (folder, *folder.parents))


def find_state_folder(environ: Mapping[str, str], repository: Path = REPOSITORY) -> Path:
    """The state folder for whoever runs this process."""
    return state_folder(environ, repository, is_root=os.geteuid() == 0, others_may_cross=others_may_cross)


@frozen
class StateFolder:
    """The paths inside a state folder; the README beside this file says what each holds."""

    root: Path

    @property
    def endpoints(self) -> Path:
        """Every URL and port of the running platform, for programs (JSON)."""
        return self.root / "endpoints.json"

    @property
    def lock(self) -> Path:
        """Held by the one launcher of this folder; contains its process id."""
        return self.root / "launcher.pid"

    @property
    def processes(self) -> Path:
        """What the launcher runs at the moment (JSON)."""
        return self.root / "processes.json"

    @property
    def ca(self) -> Path:
        """The development CA: `ca.pem` and `ca.key`."""
        return self.root / "ca"

    @property
    def ca_certificate(self) -> Path:
        """What clients trust."""
        return self.ca / "ca.pem"

    @property
    def tls(self) -> Path:
        """A certificate and a key for each listener."""
        return self.root / "tls"

    @property
    def secrets(self) -> Path:
        """The folder of the secrets below."""
        return self.root / "secrets"

    @property
    def bus_secrets(self) -> Path:
        """A secret for each service on the bus, named by its authid."""
        return self.secrets / "bus"

    @property
    def database_secrets(self) -> Path:
        """A password for each database login."""
        return self.secrets / "database"

    @property
    def master_keys(self) -> Path:
        """The keys that wrap the data keys of what is stored encrypted."""
        return self.secrets / "master-keys.json"

    @property
    def person_keys(self) -> Path:
        """The keys that seal the keys of people, by which what the audit log says of them opens: in no backup."""
        return self.secrets / "person-keys.json"

    @property
    def retired_master_keys(self) -> Path:
        """Master keys that left their files since the last backup, by the name of the file: the next one takes them."""
        return self.secrets / "retired-master-keys"

    @property
    def fleetdb_master_keys(self) -> Path:
        """As `master_keys`, for what the data backends of apps store encrypted."""
        return self.secrets / "fleetdb-master-keys.json"

    @property
    def tunnels_master_keys(self) -> Path:
        """As `master_keys`, for recordings of visits."""
        return self.secrets / "tunnels-master-keys.json"

    @property
    def devices_master_keys(self) -> Path:
        """As `master_keys`, for what people set for apps on devices."""
        return self.secrets / "devices-master-keys.json"

    @property
    def backend_login_authority(self) -> Path:
        """The CA of the logins of data backends, `ca.pem` and `ca.key`: the provisioner alone signs with it."""
        return self.secrets / "backend-login-ca"

    @property
    def backend_login_ca_certificate(self) -> Path:
        """What PostgreSQL knows those logins by."""
        return self.tls / "backend-login-ca.pem"

    @property
    def audit_signing_keys(self) -> Path:
        """The keys with which the audit log signs its heads."""
        return self.secrets / "audit-signing-keys.json"

    @property
    def audit_public_keys(self) -> Path:
        """What those heads are verified with, one key a line."""
        return self.root / "audit-keys"

    @property
    def audit_head(self) -> Path:
        """The newest head that the audit log has signed, kept outside the database."""
        return self.root / "audit-head"

    @property
    def ledger(self) -> Path:
        """What was revoked, rotated and erased, kept outside the database: a restored backup must not revive it."""
        return self.root / "audit-ledger"

    @property
    def backup_signing_key(self) -> Path:
        """The key by which backups are signed."""
        return self.secrets / "backup-signing-key"

    @property
    def restoring(self) -> Path:
        """There while a restore puts things into place: half of it is there then, and nothing may be made beside."""
        return self.root / "restoring"

    @property
    def owner_api_key(self) -> Path:
        """The first owner's API key."""
        return self.root / "owner-api-key"

    @property
    def postgres(self) -> Path:
        """PostgreSQL: its program, its configuration, its data."""
        return self.root / "postgres"

    def postgres_of(self, server: str) -> Path:
        """As `postgres`, of the database server of that name."""
        return self.postgres if server == FIRST else self.root / f"postgres-{server}"

    def database_secrets_of(self, server: str) -> Path:
        """As `database_secrets`, of the database server of that name."""
        return self.database_secrets if server == FIRST else self.secrets / f"database-{server}"

    @property
    def second_postgres(self) -> Path:
        """The second PostgreSQL's configuration and data, where there is one."""
        return self.postgres_of("second")

    @property
    def second_secrets(self) -> Path:
        """The passwords of the second PostgreSQL."""
        return self.database_secrets_of("second")

    @property
    def clusters(self) -> Path:
        """What says where the clusters beside the first are, one file each, as `shared.clusters` reads it."""
        return self.root / "clusters"

    @property
    def elsewhere(self) -> Path:
        """What says where the first cluster is, where it is not this machine's; as `clusters`."""
        return self.root / "elsewhere"

    @property
    def agent_updates(self) -> Path:
        """The update files that the gateway serves to agents."""
        return self.root / "agent-updates"

    @property
    def mail(self) -> Path:
        """Messages to people, where no mail server is set: `flockctl mail` shows them."""
        return self.root / "mail"

    @property
    def log(self) -> Path:
        """What each process printed."""
        return self.root / "log"


class LauncherRunningError(PlatformError):
    """Another launcher holds this state folder."""


class LauncherLock:
    """The exclusive right to run a platform on a state folder, held until the process ends or `close` is called."""

    def __init__(self, path: Path) -> None:
        """Take the lock file `path` and write our process id into it.

        Raises:
            LauncherRunningError: Somebody else holds it; the text names the process.
        """
        # Never unlinked: with a new file under the same name two launchers could each hold "the" lock.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not any(self._taken() for _ in range(LOCK_TRIES)):
            holder = os.read(self._descriptor, 20).decode().strip()
            os.close(self._descriptor)
            raise LauncherRunningError(f"a launcher (process {holder}) already runs on {path.parent}")
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Perhaps only `launcher_pid` of another process, which holds it for an instant.
            threading.Event().wait(LOCK_RETRY_S)
            return False
        return True

    def close(self) -> None:
        """Give the right back."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        """The lock is already held."""
        return self

    def __exit__(self, *_reason: object) -> None:
        """Give the right back."""
        self.close()


def launcher_pid(path: Path) -> int | None:
    """The process that holds the lock file `path`; `None` when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, 20).decode().strip()
        return int(text) if text.isdigit() else None
    else:
        return None
    finally:
        os.close(descriptor)
