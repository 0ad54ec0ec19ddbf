"""Encryption at rest: AES-256-GCM under a data key, the data key wrapped by a master key that has an id.

What must be recovered in clear (device secrets, TOTP seeds, ...) is a `Sealed` value: the id of its data key, a nonce
and the ciphertext, bound to its place by `context` (as GCM's associated data), so that no row can stand in for another.
Data keys lie wrapped in the database (RFC 3394, AES key wrap); master keys lie in a file outside it. Rotating the
master key rewraps the data keys; rotating the data key reseals the rows.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

KEY_OCTETS: Final = 32
NONCE_OCTETS: Final = 12
_VERSION: Final = b"\x01"
_ID_LENGTH_OCTETS: Final = 1
MAX_ID_OCTETS: Final = 64


class SecretsError(Exception):
    """A key is missing or a sealed value does not belong here; the text names ids, never content."""


class UnknownDataKeyError(SecretsError):
    """A value was sealed by a data key that this process has not loaded; another process may have made it since."""


@frozen
class MasterKeys:
    """The installation's master keys by id; the active one wraps what is new, the others still unwrap."""

    active: str
    keys: Mapping[str, bytes] = field(repr=False)


@frozen
class WrappedKey:
    """A data key as the database keeps it."""

    key_id: str
    master_key_id: str
    wrapped: bytes = field(repr=False)


def parse_master_keys(text: str) -> MasterKeys:
    """Master keys out of `{"active": id, "keys": {id: base64 of 32 octets}}`.

    Raises:
        SecretsError: The text is anything else.
    """
    try:
        document = json.loads(text)
        keys = {str(name): base64.b64decode(value, validate=True) for name, value in document["keys"].items()}
        active = str(document["active"])
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise SecretsError("the master keys are not of their form") from error
    if active not in keys or any(len(key) != KEY_OCTETS for key in keys.values()):
        raise SecretsError("the active master key is missing, or a key has not 32 octets")
    return MasterKeys(active=active, keys=keys)


def wrap(masters: MasterKeys, key_id: str, data_key: bytes) -> WrappedKey:
    """`data_key` wrapped by the active master key. Source: RFC 3394."""
    wrapped = aes_key_wrap(masters.keys[masters.active], data_key)
    return WrappedKey(key_id=key_id, master_key_id=masters.active, wrapped=wrapped)


def unwrap(masters: MasterKeys, key: WrappedKey) -> bytes:
    """The data key in clear.

    Raises:
        SecretsError: Its master key is not at hand, or is not the one that wrapped it.
    """
    master = masters.keys.get(key.master_key_id)
    if master is None:
        raise SecretsError(f"data key {key.key_id} needs master key {key.master_key_id}, which is not here")
    try:
        return aes_key_unwrap(master, key.wrapped)
    except InvalidUnwrap as error:
        raise SecretsError(f"data key {key.key_id} was not wrapped by master key {key.master_key_id}") from error


def rewrap(masters: MasterKeys, key: WrappedKey) -> WrappedKey:
    """The same data key under the active master key: a rotation of the master key, the sealed rows untouched."""
    return wrap(masters, key.key_id, unwrap(masters, key))


class Sealer:
    """Seals with the newest data key and opens with any of them."""

    def __init__(self, keys: Mapping[str, bytes], active: str) -> None:
        """Hold data keys in clear, by id; `active` seals."""
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self._active = active

    def seal(self, clear: bytes, *, context: str, nonce: bytes) -> bytes:
        """`clear` sealed for `context`, for example `auth.device_credential/42/secret`.

        Args:
            nonce: 12 random octets, never used before with this key (fine for 2^32 values a data key: SP 800-38D).
        """
        if len(nonce) != NONCE_OCTETS:
            raise ValueError(f"a nonce has {NONCE_OCTETS} octets")
        header = self.header
        return header + nonce + self._ciphers[self._active].encrypt(nonce, clear, header + context.encode())

    @property
    def header(self) -> bytes:
        """How everything begins that the active data key sealed: what begins otherwise is to be sealed anew."""
        name = self._active.encode()
        return _VERSION + len(name).to_bytes(_ID_LENGTH_OCTETS) + name

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """The clear value.

        Raises:
            SecretsError: Another context, an unknown data key, or a changed octet.
        """
        header, name = _header(sealed)
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise UnknownDataKeyError(f"a sealed value needs data key {name!r}, which is not here")
        nonce = sealed[len(header) : len(header) + NONCE_OCTETS]
        try:
            return cipher.decrypt(nonce, sealed[len(header) + NONCE_OCTETS :], header + context.encode())
        except (InvalidTag, ValueError) as error:
            raise SecretsError(f"a sealed value does not belong to {context}") from error


def _header(sealed: bytes) -> tuple[bytes, str]:
    if len(sealed) < len(_VERSION) + _ID_LENGTH_OCTETS or sealed[:1] != _VERSION:
        raise SecretsError("not a sealed value of a version known here")
    length = sealed[1]
    if length > MAX_ID_OCTETS or not sealed[2 : 2 + length].isascii():
        raise SecretsError("a sealed value names its data key in an unknown form")
    return sealed[: 2 + length], sealed[2 : 2 + length].decode("ascii")
