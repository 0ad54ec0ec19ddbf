"""A secret of an installation is followed by another one, in the operator's folder: begun, and then finished.

In between both count, so that whoever shows it and whoever checks it come to the new one when they come to it. Either
may be repeated: a file that has begun stays as it is, one that has finished too, so that a crash between two files is
carried on by the same command. What an old key sealed opens never again without it, so it goes only once whoever keeps
what was sealed has said, file by file, that the new one seals all of it (`python -m deploy.rotating`).
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from deploy.local.bootstrap import WITH_PASSWORD
from deploy.local.errors import PlatformError
from deploy.local.files import read_secret, write_atomically
from deploy.local.key_files import (
    is_leaving_masters,
    is_taking_over,
    with_active_master_alone,
    with_new_master,
    with_new_signer,
    with_newest_signer_alone,
)
from deploy.local.kinds import Kind
from deploy.local.preparation import new_key, token
from deploy.local.processes import SERVICES, WITH_MASTER_KEYS
from shared.overlap import is_followed, with_newest_alone, with_next
from shared.secrets import parse_master_keys


class StillNeededError(PlatformError):
    """Nobody has said that the old key seals nothing any more; the text says who is to be asked."""


@frozen
class Succession:
    """How the files of one kind go from one value to the next.

    Args:
        is_begun: Whether both values count in a file of that text.
        begun: The text with another value besides.
        finished: The text without the value before.
    """

    paths: tuple[str, ...]
    is_begun: Callable[[str], bool]
    begun: Callable[[str], str]
    finished: Callable[[str], str]


def _values(paths: Iterable[str]) -> Succession:
    return Succession(tuple(paths), is_followed, lambda text: with_next(text, token()), with_newest_alone)


def _masters(paths: Iterable[str]) -> Succession:
    return Succession(
        tuple(paths), is_leaving_masters, lambda text: with_new_master(text, *new_key()), with_active_master_alone
    )


SUCCESSIONS: Final[Mapping[Kind, Succession]] = {
    Kind.DATABASE_PASSWORDS: _values(f"database/{login}" for login in WITH_PASSWORD),
    Kind.BUS_SECRETS: _values(f"bus/svc_{name}" for name in SERVICES),
    Kind.MASTER_KEYS: _masters(f"master-keys/{name}" for name in WITH_MASTER_KEYS),
    Kind.PERSON_KEYS: _masters(["person-keys"]),
    Kind.AUDIT_KEY: Succession(
        ("audit-signing-keys",),
        is_taking_over,
        lambda text: with_new_signer(text, *new_key()),
        with_newest_signer_alone,
    ),
}
"""Those of which a folder has the values; every path is one of `deploy.installation.secrets`."""
SEALING: Final = frozenset({Kind.MASTER_KEYS, Kind.PERSON_KEYS})
"""Those of which somebody has to say that the old one seals nothing any more."""


def begin(folder: Path, kind: Kind) -> list[str]:
    """Have another value count besides, in every file of `kind`; returns the paths of those that had but one."""
    succession = SUCCESSIONS[kind]
    changed = [path for path in succession.paths if not succession.is_begun(read_secret(folder / path))]
    for path in changed:
        write_atomically(folder / path, succession.begun(read_secret(folder / path)).encode())
    return changed


def finish(folder: Path, kind: Kind, said: Iterable[str] = ()) -> list[str]:
    """Have the new value count alone, in every file of `kind`; returns the paths of those that had two.

    Args:
        said: Lines of `python -m deploy.rotating`: a path, and the name of the key that seals everything there.

    Raises:
        StillNeededError: What the old key of a file sealed may be there still; nothing was changed.
    """
    succession, sealed_by = SUCCESSIONS[kind], _told(said)
    changed = [path for path in succession.paths if succession.is_begun(read_secret(folder / path))]
    for path in changed:
        if kind in SEALING and sealed_by.get(path) != parse_master_keys(read_secret(folder / path)).active:
            raise StillNeededError(
                f"nobody has said that the new key seals all that {path} sealed: pipe into this command what `python -m"
                f" deploy.rotating {kind}` prints in a pod that was started since the new key was handed over"
            )
    for path in changed:
        write_atomically(folder / path, succession.finished(read_secret(folder / path)).encode())
    return changed


def _told(said: Iterable[str]) -> dict[str, str]:
    return {path: name for path, _, name in (line.strip().partition(" ") for line in said)}
