"""The PostgreSQL servers that have projects' databases beside the first one: a folder with one file a server.

`<name>.json` says where it is: `host`, `port`, `ca_file`, and for whoever logs in by password `password_file`; paths
may be relative to the folder. It is read when it is needed, so that a server comes without a restart. Where a server
is, whoever runs the processes says, never a call.
"""

import re
from pathlib import Path
from typing import Final

import msgspec
from attrs import frozen

from shared.errors import UnavailableError

FIRST: Final = "first"
"""The server that every installation has: the settings of each process say where it is."""
NAME: Final = r"\A[a-z][a-z0-9-]{0,39}\Z"
UNKNOWN: Final = "the database server of this project cannot be reached from here; nothing was changed"


@frozen
class Address:
    """Where a server is, by whose CA it is verified, and in which file the password is."""

    host: str
    port: int
    ca: Path
    password_file: Path | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    host: str
    port: int
    ca_file: str
    password_file: str | None = None


class Clusters:
    """Those of a folder; none where there is no folder."""

    def __init__(self, folder: Path | None) -> None:
        """Look into `folder` whenever asked."""
        self._folder = folder

    def names(self) -> list[str]:
        """What they are called."""
        if self._folder is None or not self._folder.is_dir():
            return []
        return sorted(file.stem for file in self._folder.glob("*.json") if re.match(NAME, file.stem))

    def find(self, name: str) -> Address:
        """Where the server of that name is.

        Raises:
            UnavailableError: Its file is not there, or says nothing that could be used.
        """
        if self._folder is None or re.match(NAME, name) is None:
            raise UnavailableError(UNKNOWN)
        try:
            said = msgspec.json.decode((self._folder / f"{name}.json").read_bytes(), type=_File)
        except (OSError, msgspec.DecodeError) as error:
            raise UnavailableError(UNKNOWN) from error
        password = None if said.password_file is None else self._folder / said.password_file
        return Address(said.host, said.port, self._folder / said.ca_file, password)
