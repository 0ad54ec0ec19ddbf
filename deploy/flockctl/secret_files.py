"""Files that hold a secret: made before the secret is, never readable by others, never over an existing file."""

import contextlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from deploy.flockctl.errors import CommandError
from deploy.flockctl.text import is_printable, printable


class SecretFile:
    """A file that comes to be, whole and with mode 0600, when `write` is called inside the `with` block."""

    def __init__(self, name: str, *, replace: bool) -> None:
        """Reserve a place beside `name`, so that what could go wrong goes wrong before there is a secret.

        Raises:
            CommandError: The name is malformed, something is there already, or the folder cannot be written.
        """
        if not name or not is_printable(name):
            raise CommandError("invalid_argument", "the file name must not be empty or have control characters")
        self.path = Path(name)
        self._replace = replace
        try:
            self._check()
            self._descriptor, self._draft = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=self.path.parent)
        except OSError as error:
            raise _cannot_write(name, error) from error

    def write(self, content: Mapping[str, Any]) -> None:
        """Put `content` there as JSON; errors as `draft` has them."""
        with self.draft() as stream:
            stream.write(as_json(content))

    @contextlib.contextmanager
    def draft(self) -> Iterator[TextIO]:
        """Where the content is written piece by piece; the file comes to be, whole, when the block ends well.

        Raises:
            CommandError: Something came to be there meanwhile, or the disk is full; then no secret is left behind.
        """
        try:
            with os.fdopen(os.dup(self._descriptor), "w", encoding="utf-8", newline="") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            self._put()
        except OSError as error:
            raise _cannot_write(str(self.path), error) from error

    def _put(self) -> None:
        if self._replace:
            Path(self._draft).replace(self.path)
        else:
            os.link(self._draft, self.path)

    def _check(self) -> None:
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return
        if stat.S_ISDIR(found.st_mode):
            raise CommandError("already_exists", f"{self.path} is a folder")
        if not self._replace:
            raise CommandError("already_exists", f"{self.path} is there already; --force replaces it")

    def __enter__(self) -> Self:
        """The place is reserved."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the draft."""
        os.close(self._descriptor)
        with contextlib.suppress(FileNotFoundError):
            Path(self._draft).unlink()


def as_json(content: Mapping[str, Any]) -> str:
    """`content` as a `.flock` file has it."""
    return json.dumps(content, indent=1) + "\n"


def write_to_standard_output(content: Mapping[str, Any]) -> None:
    """`content` where the person asked to see it."""
    sys.stdout.write(as_json(content))
    sys.stdout.flush()


def _cannot_write(name: str, error: OSError) -> CommandError:
    return CommandError("cannot_write", f"{printable(name)} cannot be written: {error.strerror or 'unknown reason'}")
