"""The witness protocol (C2SP tlog-witness): its texts, and the decision whether to cosign, without state or HTTP.

A log sends `add-checkpoint`: the size it believes the witness knows, a consistency proof from there, the new head. The
witness compares with what it remembers, so two heads of one size with different roots never both get its cosignature.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Final

from attrs import frozen

from shared.tlog.checkpoint import Checkpoint, open_checkpoint, parse_size
from shared.tlog.cosignature import Cosignature, cosigned_by
from shared.tlog.errors import MalformedError, ProofError, SignatureError, UnsignedError
from shared.tlog.hashing import EMPTY_ROOT, HASH_LENGTH
from shared.tlog.note import (
    MAX_NOTE_LENGTH,
    Signature,
    SignedNote,
    VerifierKey,
    decode_base64,
    encode_base64,
    parse_signatures,
)
from shared.tlog.proof import verify_consistency

ADD_CHECKPOINT_PATH: Final = "add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"
MAX_PROOF_LINES: Final = 63
"""C2SP tlog-witness, "add-checkpoint"."""
MAX_REQUEST_LENGTH: Final = MAX_NOTE_LENGTH + 4096
_OLD: Final = "old "


class Status(IntEnum):
    """The HTTP status codes of `add-checkpoint`."""

    OK = 200
    BAD_REQUEST = 400
    FORBIDDEN = 403
    NOT_FOUND = 404
    CONFLICT = 409
    UNPROCESSABLE = 422


@frozen
class AddCheckpoint:
    """A request: the witness's size as the log believes it, the proof from there, and the head to cosign."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    @property
    def octets(self) -> bytes:
        """The body of the request."""
        lines = [f"{_OLD}{self.old_size}", *(encode_base64(each) for each in self.proof), ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.note

    @classmethod
    def parse(cls, octets: bytes) -> "AddCheckpoint":
        """The request in a body; its note is not looked into yet.

        Raises:
            MalformedError: It is longer than a request may be, or not of the form.
        """
        if len(octets) > MAX_REQUEST_LENGTH:
            raise MalformedError("the request is too long")
        head, blank, note = octets.partition(b"\n\n")
        if not blank or not head.isascii():
            raise MalformedError("no empty line before the checkpoint")
        old, *proof = head.decode("ascii").split("\n")
        if not old.startswith(_OLD) or len(proof) > MAX_PROOF_LINES:
            raise MalformedError("no line with the old size, or more proof than there can be")
        return cls(parse_size(old.removeprefix(_OLD)), tuple(_proof_hash(line) for line in proof), note)


def _proof_hash(line: str) -> bytes:
    octets = decode_base64(line)
    if len(octets) != HASH_LENGTH:
        raise MalformedError("a line of the proof is no hash")
    return octets


@frozen
class Known:
    """The newest head of an origin that a witness cosigned."""

    size: int
    root: bytes


NOTHING_KNOWN: Final = Known(0, EMPTY_ROOT)
"""What a witness knows of an origin that it has never cosigned."""


@frozen
class Cosign:
    """The head may be cosigned once it is remembered. `note` holds only the signatures that verified."""

    checkpoint: Checkpoint
    note: SignedNote

    @property
    def known(self) -> Known:
        """What is to be remembered, before the cosignature leaves."""
        return Known(self.checkpoint.size, self.checkpoint.root)


@frozen
class Refusal:
    """The head is not cosigned; `known_size` goes into the answer of a conflict."""

    status: Status
    reason: str
    known_size: int | None = None


def request_origin(octets: bytes) -> str:
    """The origin that a request's head claims, so that the witness can look up what it knows; nothing is verified.

    Raises:
        MalformedError: It is no request.
    """
    return Checkpoint.parse(SignedNote.parse(AddCheckpoint.parse(octets).note).text).origin


def decide(octets: bytes, logs: Mapping[str, Sequence[VerifierKey]], known: Known) -> Cosign | Refusal:
    """What becomes of the request in `octets`.

    Args:
        logs: For each origin the keys that its log signs with.
        known: What the witness remembers of the origin that `request_origin` finds.
    """
    try:
        request = AddCheckpoint.parse(octets)
        note = SignedNote.parse(request.note)
        checkpoint = Checkpoint.parse(note.text)
    except MalformedError as error:
        return Refusal(Status.BAD_REQUEST, str(error))
    if checkpoint.origin not in logs:
        return Refusal(Status.NOT_FOUND, "this witness does not know the log")
    try:
        opened = open_checkpoint(request.note, logs[checkpoint.origin])
    except SignatureError as error:
        return Refusal(Status.FORBIDDEN, str(error))
    refusal = _refusal_of_sizes(request, checkpoint, known) or _refusal_of_roots(request, checkpoint, known)
    if refusal is not None:
        return refusal
    verified = tuple(each for each in note.signatures if any(key.made(each) for key in opened.signers))
    return Cosign(checkpoint, SignedNote(note.text, verified))


def _refusal_of_sizes(request: AddCheckpoint, checkpoint: Checkpoint, known: Known) -> Refusal | None:
    if request.old_size > checkpoint.size:
        return Refusal(Status.BAD_REQUEST, "the old size is larger than the checkpoint's")
    if request.old_size != known.size:
        return Refusal(Status.CONFLICT, "the old size is not that of the newest cosigned checkpoint", known.size)
    return None


def _refusal_of_roots(request: AddCheckpoint, checkpoint: Checkpoint, known: Known) -> Refusal | None:
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        return Refusal(Status.UNPROCESSABLE, "a tree without leaves has the hash of the empty string")
    if known.size == 0:
        return Refusal(Status.UNPROCESSABLE, "from size 0 there is no proof") if request.proof else None
    try:
        verify_consistency(
            size1=known.size, size2=checkpoint.size, proof=request.proof, root1=known.root, root2=checkpoint.root
        )
    except ProofError as error:
        return Refusal(Status.UNPROCESSABLE, str(error))
    return None


def cosignatures_in(answer: bytes, text: str, keys: Iterable[VerifierKey]) -> tuple[tuple[Signature, Cosignature], ...]:
    """What of a witness's answer is to be added to the checkpoint with this text: the cosignatures of known witnesses.

    Raises:
        MalformedError: The answer is not one or more signature lines.
        UnsignedError: None of them is of a known witness.
        BadSignatureError: One names a known witness that did not make it.
    """
    try:
        signatures = parse_signatures(answer.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedError("a witness answers in UTF-8") from error
    found = []
    for signature in signatures:
        for cosignature in cosigned_by(SignedNote(text, (signature,)), keys):
            found.append((signature, cosignature))  # noqa: PERF401 - reads better than a nested comprehension
    if not found:
        raise UnsignedError("no cosignature of a known witness")
    return tuple(found)


def known_size_in(answer: bytes) -> int:
    """The witness's size in the body of a conflict (409).

    Raises:
        MalformedError: It is not a size and a newline.
    """
    if not answer.isascii() or not answer.endswith(b"\n"):
        raise MalformedError("not a tree size and a newline")
    return parse_size(answer[:-1].decode("ascii"))
