"""The files that a database is worth nothing without, sealed: authorities, secrets, heads, ledger, settings."""

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.backup.manifest import FILES
from deploy.backup.sealing import Part, Recipient, seal
from deploy.local.files import PRIVATE_FILE
from deploy.local.records import read_record
from deploy.local.state import StateFolder
from deploy.local.told import settings_told
from shared.tlog.checkpoint import Checkpoint
from shared.tlog.errors import TlogError
from shared.tlog.note import SignedNote

SETTINGS_FILE: Final = "settings-of-backup.json"
"""With which settings the processes ran, for who has to start them again."""


def seal_files(state: StateFolder, folder: Path, recipients: Sequence[Recipient]) -> tuple[Part, int]:
    """Authorities, secrets, heads, ledger, settings; and how many entries the newest head covers."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in kept_files(state):
            archive.add(path, arcname=str(path.relative_to(state.root)), recursive=False)
        settings = json.dumps(settings_told(read_record(state.processes)), indent=1, sort_keys=True).encode()
        member = tarfile.TarInfo(SETTINGS_FILE)
        member.size, member.mode = len(settings), PRIVATE_FILE
        archive.addfile(member, io.BytesIO(settings))
    buffer.seek(0)
    return seal(buffer, folder, FILES, recipients), head_size(state)


def kept_files(state: StateFolder) -> list[Path]:
    """What the database is worth nothing without; server certificates are made anew, messages are people's own.

    What seals the keys of people is not among it: see `person_keys`.
    """
    single = (state.audit_public_keys, state.audit_head, state.ledger, state.owner_api_key)
    below = (path for folder in (state.ca, state.secrets) for path in sorted(folder.rglob("*")) if path.is_file())
    found = [path for path in (*single, *below) if path.is_file() and not path.is_symlink()]
    return [path for path in found if path != state.person_keys]


def head_size(state: StateFolder) -> int:
    """The entries that the newest signed head covers; none before the first."""
    try:
        return Checkpoint.parse(SignedNote.parse(state.audit_head.read_bytes()).text).size
    except (OSError, TlogError):
        return 0
