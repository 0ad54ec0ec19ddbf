"""The sign-in of this user of this machine: one file for each platform, readable by its owner alone.

A refresh token is spent once. So two flockctl at once must not use the same one: whoever reads the file to use it holds
its lock until what followed is written.
"""

import contextlib
import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import asdict, field, frozen

from deploy.flockctl.errors import CommandError

SETTING: Final = "IRONFLOCK_CONFIG_HOME"
_PLAIN: Final = re.compile(r"[^a-z0-9.-]")


@frozen
class SignIn:
    """What is kept: the tokens, and when the access token ends (Unix seconds)."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    ends_at: float


class SignInFile:
    """The file of one platform."""

    def __init__(self, path: Path) -> None:
        """Keep the sign-in at `path`."""
        self.path = path

    @property
    def is_there(self) -> bool:
        """Whether somebody has signed in."""
        return self.path.is_file()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; others wait.

        Raises:
            CommandError: The folder cannot be written.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _cannot(self.path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self) -> SignIn | None:
        """The sign-in, if there is one that can be read."""
        try:
            content: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
            return SignIn(str(content["access_token"]), str(content["refresh_token"]), float(content["ends_at"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, sign_in: SignIn) -> None:
        """Keep the sign-in in place of what was there, whole or not at all.

        Raises:
            CommandError: The folder cannot be written.
        """
        try:
            descriptor, draft = tempfile.mkstemp(dir=self.path.parent)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(asdict(sign_in), stream)
                stream.flush()
                os.fsync(stream.fileno())
            Path(draft).replace(self.path)
        except OSError as error:
            raise _cannot(self.path, error) from error

    def forget(self) -> None:
        """Nobody is signed in any more."""
        self.path.unlink(missing_ok=True)


def sign_in_file(accounts: str, environ: Mapping[str, str]) -> SignInFile:
    """The file for the platform whose accounts are at the origin `accounts`."""
    return SignInFile(config_folder(environ) / f"{_PLAIN.sub('_', urlsplit(accounts).netloc.lower())}.json")


def config_folder(environ: Mapping[str, str]) -> Path:
    """Where this user's sign-ins and profiles are."""
    home = environ.get(SETTING) or environ.get("XDG_CONFIG_HOME")
    folder = Path(home) if home else Path(environ.get("HOME") or Path.home()) / ".config"
    return folder / "ironflock"


def _cannot(path: Path, error: OSError) -> CommandError:
    return CommandError("cannot_write", f"{path} cannot be written: {error.strerror or 'unknown reason'}")
