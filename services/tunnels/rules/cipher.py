"""The cipher of frp's control stream: AES-128-CFB over a key from the token, each way with an IV of its own in front.

It protects nothing here: the agent's token is empty, so the key is a constant; TLS around it does. Source: fatedier/frp
v0.70.0 pkg/util/crypto; golib v0.7.0 crypto.
"""

import hashlib
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES

try:
    from cryptography.hazmat.decrepit.ciphers.modes import CFB
except ImportError:  # before cryptography 47
    from cryptography.hazmat.primitives.ciphers.modes import CFB

SALT: Final = b"frp"
ROUNDS: Final = 64
KEY_OCTETS: Final = 16
IV_OCTETS: Final = 16


def control_key(token: bytes = b"") -> bytes:
    """The key that both sides derive from their token."""
    return hashlib.pbkdf2_hmac("sha1", token, SALT, ROUNDS, KEY_OCTETS)


class Encrypting:
    """One way out."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        """With `iv`, 16 octets that are random and used once."""
        self._front = iv
        self._encryptor = Cipher(AES(key), CFB(iv)).encryptor()

    def encrypt(self, octets: bytes) -> bytes:
        """The octets for the wire; the first of them are the IV."""
        front, self._front = self._front, b""
        return front + self._encryptor.update(octets)


class Decrypting:
    """One way in."""

    def __init__(self, key: bytes) -> None:
        """The IV is what comes first."""
        self._key = key
        self._iv = b""
        self._decryptor: CipherContext | None = None

    def decrypt(self, octets: bytes) -> bytes:
        """What `octets`, however they were cut, say."""
        if self._decryptor is None:
            missing = IV_OCTETS - len(self._iv)
            self._iv += octets[:missing]
            octets = octets[missing:]
            if len(self._iv) < IV_OCTETS:
                return b""
            self._decryptor = Cipher(AES(self._key), CFB(self._iv)).decryptor()
        return self._decryptor.update(octets)
