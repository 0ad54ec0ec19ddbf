"""The keys of people: what the audit log says of them opens by these alone, and what is erased must open never again.

In the database they lie sealed by a file (`secrets/person-keys.json`) that no backup has, so that in every backup they
are noise. They are backed up themselves in one place beside all backups, sealed to the same recipients, and *replaced*
each time: whoever was erased is not in it any more, and a restore of whatever moment has no other.

Only after a restore what was there before stays beside it for a week: it may have been to a wrong moment, and people
who came later are not in the database that is backed up now.

<place>/person-keys                  a note of the installation's key, which names the file by its SHA-256
<place>/person-keys-before           such a note, of before a restore
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
from attrs import evolve, frozen
from psycopg.types.json import Jsonb

from deploy.backup.errors import BackupError, UntrustedError
from deploy.backup.remembering import read_remembered
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
BEFORE: Final = "person-keys-before"
BEFORE_S: Final = 7 * 86_400.0
"""For so long it is seen that a restore was to a wrong moment."""
KIND: Final = "person-keys"
_RECORD: Final = (
    "SELECT audit.record('person_keys.replaced', 'credential', %s, %s, NULL, NULL, %s, NULL,"
    ' \'{"session": null, "address": null, "request": null}\', \'done\')'
)
_ERASED: Final = "SELECT account_key FROM auth.account WHERE erased_at IS NOT NULL"
OPERATOR: Final = {"kind": "operator", "key": "flockctl", "credential": None, "on_behalf_of": None}
INSTALLATION: Final = {"kind": "installation", "key": 1}
BY_AUTH: Final = b"auth-"
"""How the names of auth's own data keys begin, behind a version and a length. Source: shared/keyring.py."""


@frozen
class KeptKeys:
    """The one backup of people's keys: of when (Unix seconds), and its file.

    Of before a restore also: when the installation that was restored had it replaced, and whom it has had since, with
    a key or erased.
    """

    kind: str
    made_at: float
    part: Part
    replaced_at: float | None = None
    known: tuple[int, ...] = ()


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
    people = dict(open_all(connection, sealer_of(state)))
    known = {*people, *(int(row[0]) for row in connection.execute(_ERASED).fetchall())}
    before = _before(state, place, signer, now, known)
    content = b"".join(_line(account_key, key) for account_key, key in people.items())
    part = seal(io.BytesIO(content), place, f"{FILE_NAME}-{secrets.token_hex(8)}", recipients)
    _write(place / FILE_NAME, KeptKeys(KIND, now, part), signer)
    wanted = {part.name} if before is None else {part.name, before.part.name}
    for path in place.glob(f"{FILE_NAME}-*{SUFFIX}"):
        if path.name not in wanted:
            path.unlink()


def _before(state: StateFolder, place: Path, signer: Signer, now: float, known: set[int]) -> KeptKeys | None:
    """The keys of before a restore, where they are to stay: the first run after it finds them in the place."""
    path = place / BEFORE
    if path.exists():
        before = _own(path, signer)
        if before is not None and before.replaced_at is not None and now < before.replaced_at + BEFORE_S:
            if not known <= {*before.known}:
                before = evolve(before, known=tuple(sorted(known.union(before.known))))
                _write(path, before, signer)
            return before
        path.unlink()
        return None
    last = _own(place / FILE_NAME, signer) if read_remembered(state).made_at is None else None
    if last is None:
        return None
    before = evolve(last, replaced_at=now, known=tuple(sorted(known)))
    _write(path, before, signer)
    return before


def _own(path: Path, signer: Signer) -> KeptKeys | None:
    """What this installation wrote there; None where it did not: there is nothing in it that could be lost."""
    try:
        return _read(path, (signer.verifier_key,))
    except UntrustedError:
        return None


def read_kept(
    place: Path, keys: Sequence[VerifierKey], identities: Sequence[Identity], moment: float
) -> dict[int, bytes]:
    """The keys in `place`, by account, for a database as of `moment` (Unix seconds).

    Of a moment of before a restore that was perhaps to a wrong one they are those of before it, without whoever was
    erased since.

    Raises:
        UntrustedError: They were not signed by one of `keys`, or replaced.
        BackupError: There are none, or none of the identities opens them.
    """
    path = place / FILE_NAME
    if not path.exists():
        raise BackupError(
            f"{path} is not there: what the audit log says of people opens by it alone; put it back, or say"
            " --without-person-keys"
        )
    people = _people(path, _read(path, keys), identities)
    path = place / BEFORE
    if not path.exists():
        return people
    before = _read(path, keys)
    if before.replaced_at is None or moment > before.replaced_at:
        return people
    erased = set(before.known) - people.keys()
    found = {**people, **_people(path, before, identities)}
    return {account_key: key for account_key, key in found.items() if account_key not in erased}


def _read(path: Path, keys: Sequence[VerifierKey]) -> KeptKeys:
    try:
        note = SignedNote.parse(path.read_bytes())
        signed_by(note, keys)
        found = msgspec.json.decode(note.text.encode(), type=KeptKeys, strict=True)
    except (OSError, TlogError, msgspec.MsgspecError) as error:
        raise UntrustedError(f"{path} is not what this installation wrote") from error
    if found.kind != KIND:
        raise UntrustedError(f"{path} is something else")
    return found


def _people(path: Path, kept: KeptKeys, identities: Sequence[Identity]) -> dict[int, bytes]:
    with opened(path.parent, kept.part, identities) as content:
        try:
            return dict(_pair(line) for line in content)
        except ValueError as error:
            raise UntrustedError(f"{path} is not what this installation wrote") from error


def _write(path: Path, kept: KeptKeys, signer: Signer) -> None:
    text = json.dumps(msgspec.to_builtins(kept), separators=(",", ":")) + "\n"
    write_atomically(path, SignedNote(text, ()).with_signatures([signer.sign(text)]).octets)


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
