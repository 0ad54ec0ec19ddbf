"""Signing the log's heads."""

from services.audit.records import Head
from services.audit.settings import LogKeys
from shared.tlog.checkpoint import Checkpoint
from shared.tlog.note import SignedNote, VerifierKey


class Notary:
    """Signs heads of the log `origin` with every active key: two in the overlap of a rotation."""

    def __init__(self, origin: str, keys: LogKeys) -> None:
        """Sign for `origin`."""
        self.origin = origin
        self._keys = keys

    @property
    def verifiers(self) -> tuple[VerifierKey, ...]:
        """Every key that the log signs or ever signed with."""
        return self._keys.verifiers

    @property
    def key_texts(self) -> list[str]:
        """The same as vkey texts."""
        return [key.text for key in self._keys.verifiers]

    def sign(self, size: int, root: bytes) -> str:
        """The signed note of a head."""
        return Checkpoint(self.origin, size, root).signed(self._keys.signers).octets.decode()

    def is_current(self, head: Head) -> bool:
        """Whether every active key vouches for `head` already."""
        ids = {signature.key_id for signature in SignedNote.parse(head.note.encode()).signatures}
        return all(signer.verifier_key.key_id in ids for signer in self._keys.signers)
