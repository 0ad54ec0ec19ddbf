"""The newest head of the audit log, as it was signed."""

from pathlib import Path

from deploy.flockctl.audit.files import read_keys
from deploy.flockctl.compliance.records import LogHead
from deploy.flockctl.errors import CommandError
from shared.tlog.checkpoint import open_checkpoint
from shared.tlog.errors import TlogError
from shared.tlog.note import encode_base64


def newest_head(file: Path, keys: Path) -> LogHead | None:
    """The head in `file`; None where there is none that one of the log's keys in `keys` vouches for."""
    try:
        opened = open_checkpoint(file.read_bytes(), read_keys(keys))
    except (OSError, TlogError, CommandError):
        return None
    return LogHead(opened.checkpoint.size, encode_base64(opened.checkpoint.root), opened.note.octets.decode())
