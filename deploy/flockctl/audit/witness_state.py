"""What a witness remembers: its key, and for each log the newest head it cosigned. It forgets nothing, ever.

<folder>/lock          held while a witness runs: two over one folder could cosign two histories
<folder>/witness.key   the seed of its Ed25519 key, base64, mode 0600; made on the first start
<folder>/heads/<h>     the newest note it cosigned; h is the origin's SHA-256 in hexadecimal digits
"""

import fcntl
import os
from hashlib import sha256
from pathlib import Path
from typing import Final

from deploy.flockctl.audit.files import write_whole
from deploy.flockctl.errors import CommandError
from deploy.flockctl.text import printable
from shared.tlog.checkpoint import Checkpoint
from shared.tlog.cosignature import Cosigner, cosigned_by
from shared.tlog.errors import TlogError
from shared.tlog.note import PUBLIC_KEY_LENGTH, SignedNote, decode_base64, encode_base64
from shared.tlog.witness import NOTHING_KNOWN, Known

KEY_FILE: Final = "witness.key"
HEADS: Final = "heads"
LOCK: Final = "lock"


class StateLostError(Exception):
    """What is kept of a log cannot be read: cosigning without it could cosign a second history."""


def origin_hash(origin: str) -> str:
    """How a log is named in files and paths (C2SP tlog-witness, "Monitor Retrieval Mechanism")."""
    return sha256(origin.encode()).hexdigest()


class WitnessState:
    """The folder of one witness; nobody else may use it meanwhile."""

    def __init__(self, folder: Path) -> None:
        """Take `folder`, made when absent.

        Raises:
            CommandError: Another witness has it, or it cannot be written.
        """
        self._folder = folder
        try:
            (folder / HEADS).mkdir(parents=True, mode=0o700, exist_ok=True)
            folder.chmod(0o700)
            self._lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise CommandError("in_use", f"another witness runs with {printable(folder)}") from error
        except OSError as error:
            raise CommandError("cannot_write", f"{printable(folder)} cannot be used: {error.strerror}") from error

    def close(self) -> None:
        """Let others have the folder."""
        os.close(self._lock)

    def cosigner(self, name: str, *, fresh_seed: bytes) -> Cosigner:
        """The witness's key under `name`; `fresh_seed` (32 random octets) becomes it where there is none yet.

        Raises:
            CommandError: The key cannot be read or written, or the name cannot name a key.
        """
        file = self._folder / KEY_FILE
        try:
            if not file.exists():
                self._refuse_second_key()
                write_whole(file, encode_base64(fresh_seed).encode() + b"\n")
            return Cosigner.from_seed(name, _seed(file.read_bytes()))
        except (OSError, TlogError, UnicodeError) as error:
            raise CommandError("unusable_key", f"{printable(file)} or the witness's name cannot be used") from error

    def _refuse_second_key(self) -> None:
        if any((self._folder / HEADS).iterdir()):
            raise CommandError("unusable_key", f"{printable(self._folder)} has heads, but the key is gone")

    def known(self, origin: str, cosigner: Cosigner) -> Known:
        """The newest head of `origin` that was cosigned.

        Raises:
            StateLostError: What is kept is not what was written.
        """
        note = self.newest(origin_hash(origin))
        if note is None:
            return NOTHING_KNOWN
        try:
            parsed = SignedNote.parse(note)
            head = Checkpoint.parse(parsed.text)
            is_ours = cosigned_by(parsed, [cosigner.verifier_key])
        except TlogError as error:
            raise StateLostError(origin) from error
        if head.origin != origin or not is_ours:
            raise StateLostError(origin)
        return Known(head.size, head.root)

    def newest(self, name: str) -> bytes | None:
        """The newest note of the log whose origin has the hash `name`, None where none was cosigned.

        Raises:
            StateLostError: It cannot be read.
        """
        try:
            return (self._folder / HEADS / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateLostError(name) from error

    def remember(self, origin: str, note: bytes) -> None:
        """Keep `note` as the newest of `origin`; it is on the disk when this returns.

        Raises:
            OSError: It could not be kept; what was known is still known.
        """
        write_whole(self._folder / HEADS / origin_hash(origin), note)


def _seed(content: bytes) -> bytes:
    seed = decode_base64(content.decode("ascii").removesuffix("\n"))
    return seed[:PUBLIC_KEY_LENGTH] if len(seed) == PUBLIC_KEY_LENGTH else b""
