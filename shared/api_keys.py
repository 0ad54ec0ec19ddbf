"""The form of an API key: recognisable by eye and by leak scanners, checkable without a database.

`ifk_` + 12 characters that name the key + `_` + 32 characters of secret + 6 characters of CRC-32 over all before.
Characters are of `[0-9A-Za-z]`; 32 of them carry 190 bits. The name part may be shown and logged, the secret never.
"""

import re
import zlib
from hashlib import sha256
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH: Final = 12
SECRET_LENGTH: Final = 32
CHECK_LENGTH: Final = 6
ENTROPY_OCTETS: Final = 48
PREFIX: Final = "ifk_"
_FORM: Final = re.compile(r"ifk_([0-9A-Za-z]{12})_[0-9A-Za-z]{38}")


def mint(octets: bytes) -> str:
    """A new key out of `octets`, 48 of them, which the caller takes from the system's randomness.

    Raises:
        ValueError: They are not 48.
    """
    if len(octets) != ENTROPY_OCTETS:
        raise ValueError(f"an API key is made of {ENTROPY_OCTETS} octets")
    digits = base62(int.from_bytes(octets), ID_LENGTH + SECRET_LENGTH)
    body = f"ifk_{digits[:ID_LENGTH]}_{digits[ID_LENGTH:]}"
    return body + checksum(body)


def is_well_formed(text: str) -> bool:
    """Whether `text` is a key by its form and checksum; that says nothing about whether it opens anything."""
    return _FORM.fullmatch(text) is not None and text[-CHECK_LENGTH:] == checksum(text[:-CHECK_LENGTH])


def key_id(text: str) -> str:
    """The part of a well-formed key that names it.

    Raises:
        ValueError: `text` is not a well-formed key.
    """
    if not is_well_formed(text):
        raise ValueError("not an API key")
    return text[4 : 4 + ID_LENGTH]


def key_hash(text: str) -> bytes:
    """SHA-256 of the whole key: what is stored. 190 random bits need no slow hash."""
    return sha256(text.encode()).digest()


def checksum(body: str) -> str:
    """The characters that end a text of ours, so that a mistyped one is seen without a look-up."""
    return base62(zlib.crc32(body.encode()), CHECK_LENGTH)


def base62(number: int, length: int) -> str:
    """The last `length` digits of `number` to base 62."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
