"""Recovery codes: ten, each opens once, written down by people. Pure; randomness comes in as octets.

80 bits in base 32 without letters that look like others (Crockford), in groups of four.
"""

from hashlib import sha256
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_OCTETS: Final = 10
LENGTH: Final = 16
_READ_AS: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})


def code_of(octets: bytes) -> str:
    """A code out of ten random octets, as it is shown.

    Raises:
        ValueError: They are not ten.
    """
    if len(octets) != CODE_OCTETS:
        raise ValueError(f"a recovery code is made of {CODE_OCTETS} octets")
    number = int.from_bytes(octets)
    digits = "".join(ALPHABET[(number >> shift) & 31] for shift in range(75, -1, -5))
    return "-".join(digits[at : at + 4] for at in range(0, LENGTH, 4))


def code_hash(text: str) -> bytes | None:
    """What is kept of a code, however it was typed; None where it has not the form of one."""
    digits = "".join(character for character in text.upper() if character not in " -\t").translate(_READ_AS)
    if len(digits) != LENGTH or any(character not in ALPHABET for character in digits):
        return None
    return sha256(digits.encode()).digest()
