"""The form of a ticket for one visit: `ift_` + 43 characters of secret + 6 of CRC-32 over all before. Pure."""

import re
from hashlib import sha256
from typing import Final

from shared.api_keys import CHECK_LENGTH, base62, checksum

PREFIX: Final = "ift_"
ENTROPY_OCTETS: Final = 32
SECRET_LENGTH: Final = 43
_FORM: Final = re.compile(r"ift_[0-9A-Za-z]{49}", re.ASCII)


def mint(octets: bytes) -> str:
    """A new ticket out of `octets`, 32 of them, which the caller takes from the system's randomness.

    Raises:
        ValueError: They are not 32.
    """
    if len(octets) != ENTROPY_OCTETS:
        raise ValueError(f"a ticket is made of {ENTROPY_OCTETS} octets")
    body = PREFIX + base62(int.from_bytes(octets), SECRET_LENGTH)
    return body + checksum(body)


def is_well_formed(text: str) -> bool:
    """Whether `text` is a ticket by its form and checksum; that says nothing about whether it opens anything."""
    return _FORM.fullmatch(text) is not None and text[-CHECK_LENGTH:] == checksum(text[:-CHECK_LENGTH])


def ticket_digest(text: str) -> bytes:
    """SHA-256 of the whole ticket: what is stored. 256 random bits need no slow hash."""
    return sha256(text.encode()).digest()
