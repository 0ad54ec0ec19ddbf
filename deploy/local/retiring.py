"""Old keys leave their files once nothing is wrapped or sealed by them: what ends a rotation.

One that was cut off before has left the old key beside the new one. The next start ends it, before any service has read
the files; until then the doctor tells of it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from deploy.local.errors import PlatformError
from deploy.local.files import ensure_folder, read_secret, write_atomically
from deploy.local.fitting import key_files, master_files
from deploy.local.key_files import with_active_master_alone, with_masters_of
from deploy.local.person_keys import reseal, sealer_of
from deploy.local.resealing import rewrap_all
from deploy.local.state import StateFolder
from shared.secrets import SecretsError, parse_master_keys

REMEMBERED: Final = "backup.json"
"""There where backups are taken. Source: deploy/backup/remembering.py."""


class RotatingError(PlatformError):
    """A rotation is under way."""


@contextmanager
def one_at_a_time(state: StateFolder) -> Iterator[None]:
    """Nobody else changes key files while the block runs.

    Raises:
        RotatingError: Somebody does.
    """
    descriptor = os.open(state.secrets, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise RotatingError("another rotation of this platform is under way") from error
    finally:
        os.close(descriptor)


def left_over(state: StateFolder) -> list[Path]:
    """The files in which an old key stands beside the one that took over; none while a rotation is under way."""
    try:
        with one_at_a_time(state):
            return [file for file in key_files(state) if _has_old(file)]
    except (RotatingError, OSError):
        return []


def finish(connection: psycopg.Connection[Any], state: StateFolder) -> Iterator[str]:
    """End what rotations have left over, while no service runs that has read the files; tells of each what was done.

    Raises:
        RotatingError: A rotation is under way.
        SecretsError, PersonKeysError: Something does not open by the keys at hand; its file is as it was.
    """
    with one_at_a_time(state):
        for schema, file in master_files(state).items():
            if _has_old(file):
                yield retire_masters(connection, state, schema)
        if _has_old(state.person_keys):
            yield retire_person_keys(connection, state)


def retire_masters(connection: psycopg.Connection[Any], state: StateFolder, schema: str) -> str:
    """Wrap every data key of `schema` by the active master key, then take the old ones out of the file.

    Raises:
        SecretsError: One was wrapped by a key that is not at hand; nothing was changed.
    """
    file = master_files(state)[schema]
    count = rewrap_all(connection, schema, parse_master_keys(read_secret(file)))
    is_kept = _keep_for_backups(state, file)
    write_atomically(file, with_active_master_alone(read_secret(file)).encode())
    old = f"in {state.retired_master_keys} until the next backup" if is_kept else "gone"
    return f"{schema}: {count} data keys are under the new master key, the old one is {old}"


def retire_person_keys(connection: psycopg.Connection[Any], state: StateFolder) -> str:
    """Seal everybody's key by the active one, then take the old ones out of the file.

    From then on no backup of before opens on this machine either what was erased since.

    Raises:
        PersonKeysError: One does not open; nothing was changed.
    """
    count = reseal(connection, sealer_of(state))
    write_atomically(state.person_keys, with_active_master_alone(read_secret(state.person_keys)).encode())
    return f"{count} keys of people are sealed by the new key, the old one is gone"


def _keep_for_backups(state: StateFolder, file: Path) -> bool:
    """Keep what leaves the file for the next backup, where there are any: moments of before need it."""
    if not (state.root / REMEMBERED).exists():
        return False
    ensure_folder(state.retired_master_keys)
    kept = state.retired_master_keys / file.name
    text = read_secret(file)
    write_atomically(kept, (with_masters_of(text, read_secret(kept)) if kept.exists() else text).encode())
    return True


def _has_old(file: Path) -> bool:
    """Of one that is missing, or cannot be read, others tell (`fitting`, the services themselves)."""
    try:
        return len(parse_master_keys(read_secret(file)).keys) > 1
    except (OSError, SecretsError):
        return False
