"""The hashes of a log (RFC 6962 section 2.1). Almost any change here makes every log that exists unverifiable.

A leaf's data is a commitment, so that tiles tell nothing of the entries: SHA-256 over 32 random octets and the entry's
canonical octets (decision 23). The prefixes keep a leaf from ever passing as an inner node.
"""

from hashlib import sha256
from typing import Final

from shared.tlog.errors import RangeError

HASH_LENGTH: Final = 32
SALT_LENGTH: Final = 32
LEAF_PREFIX: Final = b"\x00"
NODE_PREFIX: Final = b"\x01"
EMPTY_ROOT: Final = sha256(b"").digest()
"""The root hash of the tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf that holds `data`."""
    return sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node over its two children."""
    return sha256(NODE_PREFIX + left + right).digest()


def commitment(salt: bytes, canonical: bytes) -> bytes:
    """The leaf data of an entry, from its salt (32 octets) and its canonical octets.

    Raises:
        RangeError: The salt has another length: then salt and entry could be told apart in two ways.
    """
    if len(salt) != SALT_LENGTH:
        raise RangeError(f"a salt has {SALT_LENGTH} octets, not {len(salt)}")
    return sha256(salt + canonical).digest()
