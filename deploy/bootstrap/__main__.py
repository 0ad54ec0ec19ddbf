"""`python -m deploy.bootstrap [cluster]`: bring roles, databases, schemas and rights of a server into their state.

`cluster`: of a server that is to have projects' databases alone, beside the first one.

Connects as superuser, at each installation and upgrade, before `deploy.migrate`. Nothing else ever has this login.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psycopg
from attrs import field, frozen

from deploy.local.bootstrap import BACKUP, WITH_PASSWORD, Server, bootstrap, bootstrap_cluster
from deploy.local.processes import PROVISIONER
from shared.overlap import values
from shared.settings import Settings, SettingsError

OF_CLUSTER: Final = (PROVISIONER, BACKUP)
"""The logins of a server that has projects' databases alone: it is backed up as the first one is."""


@frozen
class BootstrapSettings:
    """The server, and a password for each login."""

    server: Server = field(repr=False)
    passwords: Mapping[str, str] = field(repr=False)


def main(words: Sequence[str]) -> int:
    """Do it and return the exit status."""
    is_cluster = list(words) == ["cluster"]
    try:
        found = bootstrap_settings(os.environ, OF_CLUSTER if is_cluster else WITH_PASSWORD)
        if is_cluster:
            bootstrap_cluster(found.server, found.passwords)
        else:
            bootstrap(found.server, found.passwords)
    except (SettingsError, psycopg.Error) as error:
        sys.stderr.write(f"bootstrap: {error}\n")
        return 1
    return 0


def bootstrap_settings(environ: Mapping[str, str], logins: Sequence[str] = WITH_PASSWORD) -> BootstrapSettings:
    """The settings out of `IRONFLOCK_BOOTSTRAP_*`; `PASSWORDS` is a folder with one file a login.

    Raises:
        SettingsError: One is missing, malformed or unknown; the text names it.
    """
    settings = Settings("BOOTSTRAP", environ)
    server = Server(
        port=settings.port("DATABASE_PORT"),
        ca=settings.path("CA_FILE"),
        password=settings.secret("SUPERUSER_PASSWORD"),
        host=settings.text("DATABASE_HOST"),
    )
    folder = settings.path("PASSWORDS")
    found = BootstrapSettings(server, {login: _password(folder / login) for login in logins})
    settings.refuse_unknown()
    return found


def _password(path: Path) -> str:
    try:
        found = values(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"IRONFLOCK_BOOTSTRAP_PASSWORDS: {path} cannot be read") from error
    if not found:
        raise SettingsError(f"IRONFLOCK_BOOTSTRAP_PASSWORDS: {path} is empty")
    return found[0]  # from now on: whoever logs in by it shows the one before where this one is not taken yet


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
