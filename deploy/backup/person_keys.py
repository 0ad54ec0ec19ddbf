"""The keys of people: what the audit log says of them opens by these alone, and what is erased must open never again.

In the database they lie sealed by a file (`secrets/person-keys.json`) that no backup has, so that in every backup they
are noise. They are backed up themselves in one place beside all backups, sealed to the same recipients, and *replaced*
each time: whoever was erased is not in it any more, and a restore of whatever moment has no other.

<place>/person-keys                  a note of the installation's key, which names the file by its SHA-256
<place>/person-keys-<name>.gz.age    an account and its key a line
"""

import base64
import io
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
from attrs import frozen
from psycopg.types.json import Jsonb

from deploy.backup.errors import BackupError, UntrustedError
from deploy.backup.sealing import SUFFIX, Identity, Part, Recipient, opened, seal
from deploy.local.files import write_atomically
from deploy.local.fitting import misfits
from deploy.local.person_keys import open_all, put, sealer_of
from deploy.local.preparation import master_keys
from deploy.local.state import StateFolder
from shared.secrets import KEY_OCTETS, Sealer
from shared.tlog.errors import TlogError
from shared.tlog.note import SignedNote, Signer, VerifierKey, signed_by

FILE_NAME: Final = "person-keys"
KIND: Final = "person-keys"
_RECORD: Final = (
    "SELECT audit.record('person_keys.replaced', 'credential', %s, %s, NULL, NULL, %s, NULL,"
    ' \'{"session": null, "address": null, "request": null}\', \'done\')'
)
OPERATOR: Final = {"kind": "operator", "key": "flockctl", "credential": None, "on_behalf_of": None}
INSTALLATION: Final = {"kind": "installation", "key": 1}
BY_AUTH: Final = b"auth-"
"""How the names of auth's own data keys begin, behind a version and a length. Source: shared/keyring.py."""


@frozen
class KeptKeys:
    """The one backup of people's keys: of when (Unix seconds), and its file."""

    kind: str
    made_at: float
    part: Part


@frozen
class Settled:
    """What became of people's keys in a restored database: how many are again what they were, how many are new."""

    kept: int
    renewed: int


def keep(
    connection: psycopg.Connection[Any],
    state: StateFolder,
    place: Path,
    recipients: Sequence[Recipient],
    signer: Signer,
    *,
    now: float,
) -> None:
    """Put the keys of everybody who is here into `place`, in place of those that are there.

    Raises:
        BackupError: The place cannot be written.
        PersonKeysError: One does not open.
    """
    content = b"".join(_line(account_key, key) for account_key, key in open_all(connection, sealer_of(state)))
    part = seal(io.BytesIO(content), place, f"{FILE_NAME}-{secrets.token_hex(8)}", recipients)
    text = json.dumps(msgspec.to_builtins(KeptKeys(KIND, now, part)), separators=(",", ":")) + "\n"
    note = SignedNote(text, ()).with_signatures([signer.sign(text)])
    write_atomically(place / FILE_NAME, note.octets)
    for path in place.glob(f"{FILE_NAME}-*{SUFFIX}"):
        if path.name != part.name:
            path.unlink()


def read_kept(place: Path, keys: Sequence[VerifierKey], identities: Sequence[Identity]) -> dict[int, bytes]:
    """The keys in `place`, by account.

    Raises:
        UntrustedError: They were not signed by one of `keys`, or replaced.
        BackupError: There are none, or none of the identities opens them.
    """
    path = place / FILE_NAME
    try:
        note = SignedNote.parse(path.read_bytes())
        signed_by(note, keys)
        found = msgspec.json.decode(note.text.encode(), type=KeptKeys, strict=True)
        if found.kind != KIND:
            raise UntrustedError(f"{path} is something else")
        with opened(place, found.part, identities) as content:
            return dict(_pair(line) for line in content)
    except FileNotFoundError as error:
        raise BackupError(
            f"{path} is not there: what the audit log says of people opens by it alone; put it back, or say"
            " --without-person-keys"
        ) from error
    except (TlogError, msgspec.MsgspecError, ValueError) as error:
        raise UntrustedError(f"{path} is not what this installation wrote") from error


def settle(connection: psycopg.Connection[Any], kept: Mapping[int, bytes], sealer: Sealer) -> Settled:
    """Give everybody in a restored database the key that was kept of them, sealed anew; who has none gets a new one.

    What is in the database opens no more: the file that sealed it is not in any backup. Whoever was erased has no row
    by now, or, where no ledger told of it, is not among those kept. (A backup of before there was that file has keys
    that auth itself sealed: they stay, and auth opens them.)
    """
    known = 0
    with connection.transaction():
        rows = connection.execute("SELECT account_key, sealed FROM auth.person_key").fetchall()
        for account_key, sealed in rows:
            key = kept.get(account_key)
            known += key is not None or bytes(sealed).startswith(BY_AUTH, 2)
            if key is None and bytes(sealed).startswith(BY_AUTH, 2):
                continue
            clear = secrets.token_bytes(KEY_OCTETS) if key is None else key
            put(connection, sealer, account_key, clear)
    return Settled(known, len(rows) - known)


def replace(
    connection: psycopg.Connection[Any], state: StateFolder, kept: Mapping[int, bytes], *, accepts_loss: bool
) -> Settled:
    """Seal everybody's key by a new file, in place of the one that was lost.

    Args:
        kept: The keys that lie beside the backups, by account.
        accepts_loss: Whether who is not among them gets a new one, so that what the log says of them opens no more.

    Raises:
        BackupError: The file is there and opens them; or somebody's key was not kept, and nothing was changed.
    """
    if state.person_keys not in misfits(connection, state):
        raise BackupError(f"{state.person_keys} opens the keys of everybody: there is nothing to do")
    rows = connection.execute("SELECT account_key, sealed FROM auth.person_key").fetchall()
    lost = sum(key not in kept and not bytes(sealed).startswith(BY_AUTH, 2) for key, sealed in rows)
    if lost and not accepts_loss:
        raise BackupError(
            f"the keys of {lost} people are not beside the backups: what the audit log says of them is lost for good,"
            " if you say --accept-loss"
        )
    # First the file: cut off behind it, it opens nothing, and this is done again.
    write_atomically(state.person_keys, master_keys().encode())
    with connection.transaction():
        done = settle(connection, kept, sealer_of(state))
        after = Jsonb({"kept": done.kept, "renewed": done.renewed})
        connection.execute(_RECORD.encode(), [Jsonb(OPERATOR), Jsonb(INSTALLATION), after])
    return done


def _line(account_key: int, key: bytes) -> bytes:
    return f"{account_key} {base64.b64encode(key).decode()}\n".encode()


def _pair(line: bytes) -> tuple[int, bytes]:
    account_key, text = line.split()
    return int(account_key), base64.b64decode(text, validate=True)
