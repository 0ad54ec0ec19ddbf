"""Signed notes (C2SP signed-note): a text, a blank line, and lines by which keys vouch for the text.

Two kinds of keys are known: Ed25519 over the text itself (a log's own key) and cosignature/v1 (a witness's key, see
`shared.tlog.cosignature`). Signatures of other keys are ignored, as the specification demands.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from enum import IntEnum
from hashlib import sha256
from typing import Final, Self

from attrs import field, frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.tlog.errors import BadSignatureError, MalformedError, UnsignedError

MAX_NOTE_LENGTH: Final = 1_000_000
"""Octets. The specification asks for a limit and lets the verifier choose."""
MAX_SIGNATURES: Final = 100
"""As golang.org/x/mod/sumdb/note; the specification demands at least 16."""
MAX_NAME_LENGTH: Final = 255
"""Octets; C2SP tlog-cosignature cannot name a longer origin or cosigner in its newer format."""
KEY_ID_LENGTH: Final = 4
PUBLIC_KEY_LENGTH: Final = 32
"""RFC 8032 section 5.1.5."""
_PREFIX: Final = "— "
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f]")
_UNFIT: Final = re.compile("[\x00-\x1f\ud800-\udfff]")
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)


class Algorithm(IntEnum):
    """Signature types (C2SP signed-note, "Signature types")."""

    ED25519 = 0x01
    COSIGNATURE_V1 = 0x04


_ALGORITHMS: Final = frozenset(algorithm.value for algorithm in Algorithm)


def decode_base64(text: str) -> bytes:
    """The octets of standard base64 with padding, in its one canonical form.

    Raises:
        MalformedError: It is not that.
    Source: RFC 4648 sections 3.5 and 4.
    """
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("not base64") from error
    if base64.b64encode(octets).decode("ascii") != text:
        raise MalformedError("not canonical base64")
    return octets


def encode_base64(octets: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(octets).decode("ascii")


def is_key_name(name: str) -> bool:
    """Whether `name` may name a key: no space of Unicode, no plus, no control character, 1 to 255 octets."""
    if not 0 < len(name.encode("utf-8", "surrogatepass")) <= MAX_NAME_LENGTH or "+" in name:
        return False
    return not any(character.isspace() or _UNFIT.match(character) for character in name)


@frozen
class Signature:
    """One signature line: which key says it made it, and what it made. `octets` still has the form of its algorithm."""

    name: str
    key_id: bytes
    octets: bytes

    @property
    def line(self) -> str:
        """The line, with its newline."""
        return f"{_PREFIX}{self.name} {encode_base64(self.key_id + self.octets)}\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """The signature in `line`, which comes without its newline.

        Raises:
            MalformedError: It is no signature line.
        """
        name, space, encoded = line.removeprefix(_PREFIX).partition(" ")
        if not line.startswith(_PREFIX) or not space or not is_key_name(name):
            raise MalformedError("not a signature line")
        octets = decode_base64(encoded)
        if len(octets) <= KEY_ID_LENGTH:
            raise MalformedError("a signature line without a signature")
        return cls(name, octets[:KEY_ID_LENGTH], octets[KEY_ID_LENGTH:])


@frozen
class SignedNote:
    """A text that ends with a newline, and the signatures that came with it: parsed, not verified."""

    text: str
    signatures: tuple[Signature, ...]

    @property
    def octets(self) -> bytes:
        """The whole note."""
        return (self.text + "\n" + "".join(signature.line for signature in self.signatures)).encode()

    def with_signatures(self, signatures: Iterable[Signature]) -> "SignedNote":
        """The same text with further signatures behind those it has; what is there already is not repeated."""
        added = dict.fromkeys([*self.signatures, *signatures])
        return SignedNote(self.text, tuple(added))

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """The note in `octets`.

        Raises:
            MalformedError: It is longer than a note may be, or not of the form that the specification demands.
        """
        if len(octets) > MAX_NOTE_LENGTH:
            raise MalformedError(f"a note of more than {MAX_NOTE_LENGTH} octets")
        text, blank, lines = _decoded(octets).rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise MalformedError("no signatures behind a blank line")
        signatures = parse_signatures(lines)
        return cls(text + "\n", signatures)


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """The signatures in one or more lines, each with its newline.

    Raises:
        MalformedError: There is none, there are more than 100, or a line is no signature line.
    """
    if not lines.endswith("\n"):
        raise MalformedError("a signature line ends with a newline")
    if lines.count("\n") > MAX_SIGNATURES:
        raise MalformedError(f"more than {MAX_SIGNATURES} signatures")
    return tuple(Signature.parse(line) for line in lines[:-1].split("\n"))


def _decoded(octets: bytes) -> str:
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("a note is UTF-8") from error
    if _CONTROL.search(text):
        raise MalformedError("a note has no control character but the newline")
    return text


@frozen
class VerifierKey:
    """A public key with the name it signs under."""

    name: str
    public_key: bytes
    algorithm: Algorithm = Algorithm.ED25519

    @property
    def key_id(self) -> bytes:
        """Four octets that a signature line names the key by."""
        material = bytes([self.algorithm]) + self.public_key
        return sha256(self.name.encode() + b"\n" + material).digest()[:KEY_ID_LENGTH]

    @property
    def text(self) -> str:
        """The key as people hand it on (a vkey)."""
        material = bytes([self.algorithm]) + self.public_key
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(material)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key in a vkey.

        Raises:
            MalformedError: It is not of the form, of an unknown algorithm, or its key id is not that of its key.
        Source: C2SP signed-note, "Verifier keys".
        """
        name, key_id, material = _vkey_parts(text)
        if material[0] not in _ALGORITHMS or len(material) != 1 + PUBLIC_KEY_LENGTH:
            raise MalformedError("a verifier key of an unknown algorithm or length")
        key = cls(name, material[1:], Algorithm(material[0]))
        if key.key_id.hex() != key_id:
            raise MalformedError("a verifier key whose key id is not that of its key")
        return key

    def made(self, signature: Signature) -> bool:
        """Whether `signature` says that this key made it; nothing is verified."""
        return (signature.name, signature.key_id) == (self.name, self.key_id)

    def verify(self, octets: bytes, signature: bytes) -> None:
        """Check an Ed25519 signature of this key over `octets`.

        Raises:
            BadSignatureError: The key did not make it.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, octets)
        except (InvalidSignature, ValueError) as error:
            raise BadSignatureError(f"the signature of {self.name} does not verify") from error


def _vkey_parts(text: str) -> tuple[str, str, bytes]:
    parts = text.split("+", 2)
    if len(parts) != 3 or not is_key_name(parts[0]) or not _KEY_ID.fullmatch(parts[1]):  # noqa: PLR2004 - name, id, key
        raise MalformedError("a verifier key is <name>+<8 hexadecimal digits>+<base64>")
    material = decode_base64(parts[2])
    if not material:
        raise MalformedError("a verifier key without a key")
    return parts[0], parts[1], material


@frozen
class Signer:
    """A private Ed25519 key with the name it signs notes under."""

    name: str
    private_key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> Self:
        """The signer whose private key is `seed` (32 random octets, RFC 8032 section 5.1.5).

        Raises:
            MalformedError: The name cannot name a key, or the seed has another length.
        """
        if not is_key_name(name) or len(seed) != PUBLIC_KEY_LENGTH:
            raise MalformedError("not the name or not the seed of a signing key")
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def verifier_key(self) -> VerifierKey:
        """What others verify this signer's notes with."""
        return VerifierKey(self.name, self.private_key.public_key().public_bytes_raw())

    def sign(self, text: str) -> Signature:
        """This key's signature of a note's text (which ends with a newline).

        Raises:
            MalformedError: The text has no newline at its end, or a control character.
        """
        if not text.endswith("\n") or _CONTROL.search(text):
            raise MalformedError("not the text of a note")
        return Signature(self.name, self.verifier_key.key_id, self.private_key.sign(text.encode()))


def signed_by(note: SignedNote, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
    """Those of the Ed25519 `keys` that signed the note. Signatures of unknown keys are ignored.

    Raises:
        UnsignedError: None did.
        BadSignatureError: A signature names one of them, and that key did not make it.
    Source: C2SP signed-note, "Signatures".
    """
    signers: dict[VerifierKey, None] = {}
    for key in keys:
        for signature in note.signatures:
            if key.algorithm is Algorithm.ED25519 and key.made(signature):
                key.verify(note.text.encode(), signature.octets)
                signers[key] = None
    if not signers:
        raise UnsignedError("the note has no signature of a known key")
    return tuple(signers)
