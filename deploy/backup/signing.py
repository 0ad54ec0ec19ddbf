"""The key by which an installation signs its backups: whoever restores one knows that nobody else made it."""

import base64
import binascii
import secrets
from pathlib import Path
from typing import Final

from deploy.backup.errors import BackupError
from deploy.backup.manifest import KEY_NAME
from deploy.local.files import ensure_secret
from deploy.local.state import StateFolder
from shared.tlog.errors import TlogError
from shared.tlog.note import Signer, VerifierKey

SEED_OCTETS: Final = 32  # RFC 8032 section 5.1.5


def backup_signing_key() -> str:
    """The text of a new key."""
    return base64.b64encode(secrets.token_bytes(SEED_OCTETS)).decode()


def signer_of(state: StateFolder) -> Signer:
    """The installation's key, made when there is none.

    Raises:
        BackupError: The file does not hold it.
    """
    path = state.backup_signing_key
    text = ensure_secret(path, backup_signing_key)
    try:
        return Signer.from_seed(KEY_NAME, base64.b64decode(text, validate=True))
    except (TlogError, binascii.Error, ValueError) as error:
        raise BackupError(f"{path} does not hold a signing key") from error


def keys_of(text: str) -> tuple[VerifierKey, ...]:
    """The verifier keys in `text`, a file or an option.

    Raises:
        BackupError: There is none, or one is malformed.
    """
    try:
        keys = tuple(VerifierKey.parse(word) for word in text.split())
    except TlogError as error:
        raise BackupError(
            "a key of backups is `ironflock.local/backup+...`, as `flockctl backup key` prints it"
        ) from error
    if not keys:
        raise BackupError("no key of backups is named")
    return keys


def read_keys(path: Path) -> tuple[VerifierKey, ...]:
    """The verifier keys in the file `path`; errors as `keys_of`."""
    try:
        return keys_of(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise BackupError(f"{path} cannot be read") from error
