"""Checkpoints (C2SP tlog-checkpoint): the signed head of a log, which is its origin, its size and its root hash."""

import re
from collections.abc import Iterable
from typing import Final, Self

from attrs import frozen

from shared.tlog.errors import MalformedError, UnsignedError
from shared.tlog.hashing import HASH_LENGTH
from shared.tlog.note import SignedNote, Signer, VerifierKey, decode_base64, encode_base64, signed_by
from shared.tlog.tree import MAX_TREE_SIZE

MAX_ORIGIN_LENGTH: Final = 255
"""Octets; C2SP tlog-cosignature cannot name a longer one in its newer format."""
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_UNFIT: Final = re.compile("[\x00-\x1f\ud800-\udfff]")
_LINES: Final = 3


@frozen
class Checkpoint:
    """A head. `extensions` are further lines that a log may have signed; ours signs none."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text that is signed.

        Raises:
            MalformedError: A part is not what may stand in a checkpoint.
        """
        self.require_valid()
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    def require_valid(self) -> None:
        """Check that the text of this head would be that of a checkpoint.

        Raises:
            MalformedError: It would not.
        """
        if not _is_origin(self.origin) or len(self.root) != HASH_LENGTH or not 0 <= self.size <= MAX_TREE_SIZE:
            raise MalformedError("not an origin, a size and a root hash")
        if any(not line or _UNFIT.search(line) for line in self.extensions):
            raise MalformedError("not an extension line")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The checkpoint whose text is `text`.

        Raises:
            MalformedError: It is none.
        """
        lines = text.split("\n")
        if len(lines) <= _LINES or lines.pop() or not all(lines):
            raise MalformedError("a checkpoint has three lines at least, and none that is empty")
        checkpoint = cls(lines[0], parse_size(lines[1]), decode_base64(lines[2]), tuple(lines[3:]))
        checkpoint.require_valid()
        return checkpoint

    def signed(self, signers: Iterable[Signer]) -> SignedNote:
        """The note in which every one of `signers` vouches for this head (two while a key is rotated)."""
        return SignedNote(self.text, tuple(signer.sign(self.text) for signer in signers))


@frozen
class OpenedCheckpoint:
    """A checkpoint that at least one key of its log signed."""

    checkpoint: Checkpoint
    note: SignedNote
    signers: tuple[VerifierKey, ...]


def open_checkpoint(octets: bytes, keys: Iterable[VerifierKey]) -> OpenedCheckpoint:
    """The checkpoint in a signed note, once a key that bears its origin's name vouches for it.

    Raises:
        MalformedError: It is no checkpoint.
        UnsignedError: No known key signed it, or only keys of another log.
        BadSignatureError: A signature names a known key that did not make it.
    """
    note = SignedNote.parse(octets)
    checkpoint = Checkpoint.parse(note.text)
    signers = signed_by(note, keys)
    if checkpoint.origin not in {signer.name for signer in signers}:
        raise UnsignedError("the checkpoint is that of another log than its signature")
    return OpenedCheckpoint(checkpoint, note, signers)


def parse_size(text: str) -> int:
    """A tree size in decimal digits.

    Raises:
        MalformedError: It is none, has leading zeroes, or is larger than 2**63 - 1.
    """
    if not _SIZE.fullmatch(text) or int(text) > MAX_TREE_SIZE:
        raise MalformedError("not a tree size")
    return int(text)


def _is_origin(text: str) -> bool:
    octets = text.encode("utf-8", "surrogatepass")
    return 0 < len(octets) <= MAX_ORIGIN_LENGTH and not _UNFIT.search(text)
