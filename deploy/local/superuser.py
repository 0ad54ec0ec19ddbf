"""The superuser's password is changed so that a crash at any moment leaves one that opens.

Nobody else could set it again: the old one lies beside the new one until the database has taken the new one.
"""

from pathlib import Path

import psycopg
from attrs import evolve

from deploy.local.bootstrap import SUPERUSER, Server, connect, set_password
from deploy.local.files import write_atomically


def change(server: Server, file: Path, password: str) -> None:
    """Give the superuser of `server` another password, which `file` has then.

    Raises:
        psycopg.Error: The database is away; `settle` carries it on.
    """
    before = _before(file)
    write_atomically(before, server.password.encode())
    write_atomically(file, password.encode())
    settle(evolve(server, password=password), file)


def settle(server: Server, file: Path) -> None:
    """Finish a change that was begun, if there is one; the password of `server` is the one in `file`.

    Raises:
        psycopg.Error: The database is away, or neither password opens it.
    """
    before = _before(file)
    if not before.exists():
        return
    try:
        with connect(evolve(server, password=before.read_text(encoding="utf-8").strip()), "postgres") as connection:
            set_password(connection, SUPERUSER, server.password)
    except psycopg.OperationalError:
        with connect(server, "postgres"):  # it has taken the new one already
            pass
    before.unlink()


def _before(file: Path) -> Path:
    return file.with_name(f"{file.name}.before")
