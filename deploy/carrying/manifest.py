"""What a project is that was taken away: a folder of sealed parts, and a manifest that names each by its SHA-256.

<folder>/manifest        a note, signed by the installation that it was taken from (C2SP signed-note)
<folder>/control.gz.age  rows of the control database, a JSON object a line
<folder>/<backend>.gz.age  a data backend: of each table what it is, in JSON, and its rows, as COPY writes them in text
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from attrs import frozen

from deploy.backup.errors import UntrustedError
from deploy.backup.sealing import Part, check
from deploy.local.files import write_atomically
from shared.tlog.errors import TlogError
from shared.tlog.note import SignedNote, Signer, VerifierKey, signed_by

FILE_NAME: Final = "manifest"
FORMAT: Final = 1
KIND: Final = "project"


@frozen
class CarriedBackend:
    """A data backend: its key where it comes from, its tables."""

    backend_key: int
    tables: Part


@frozen
class Carried:
    """A project that was taken away; `made_at` in Unix seconds.

    `import_id` is unlike that of any other: an import that died is known by it and goes on.
    """

    kind: str
    format: int
    import_id: str
    name: str
    project_key: int
    made_at: float
    server_version: int
    control: Part
    backends: tuple[CarriedBackend, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of it."""
        return (self.control, *(each.tables for each in self.backends))


def write_carried(folder: Path, carried: Carried, signer: Signer) -> None:
    """Sign it and put it beside its parts: from then on they are a project."""
    text = json.dumps(msgspec.to_builtins(carried), separators=(",", ":")) + "\n"
    note = SignedNote(text, ()).with_signatures([signer.sign(text)])
    write_atomically(folder / FILE_NAME, note.octets)


def read_carried(folder: Path, keys: Sequence[VerifierKey]) -> Carried:
    """The project in `folder`, each part of which is what it was.

    Raises:
        UntrustedError: It was not signed by one of `keys`, is not one of this release, or was damaged.
    """
    try:
        note = SignedNote.parse((folder / FILE_NAME).read_bytes())
        signed_by(note, keys)
        found = msgspec.json.decode(note.text.encode(), type=Carried, strict=True)
    except TlogError as error:
        raise UntrustedError(f"{folder}: it was not signed by that key") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise UntrustedError(f"{folder}: there is no project that can be read") from error
    if (found.kind, found.format) != (KIND, FORMAT):
        raise UntrustedError(f"{folder}: it was made by another release")
    for part in found.parts:
        check(folder, part)
    return found
