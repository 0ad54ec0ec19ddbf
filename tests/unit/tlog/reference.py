"""The definitions of RFC 6962 section 2.1 as they stand there: slow, recursive, only to check the fast code."""

from collections.abc import Sequence
from hashlib import sha256


def largest_power_below(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def tree_hash(data: Sequence[bytes]) -> bytes:
    """MTH(D[n])."""
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = largest_power_below(len(data))
    return sha256(b"\x01" + tree_hash(data[:k]) + tree_hash(data[k:])).digest()


def path(index: int, data: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(data) == 1:
        return []
    k = largest_power_below(len(data))
    if index < k:
        return [*path(index, data[:k]), tree_hash(data[k:])]
    return [*path(index - k, data[k:]), tree_hash(data[:k])]


def proof(size: int, data: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n])."""
    return _subproof(size, data, is_known=True)


def _subproof(size: int, data: Sequence[bytes], *, is_known: bool) -> list[bytes]:
    if size == len(data):
        return [] if is_known else [tree_hash(data)]
    k = largest_power_below(len(data))
    if size <= k:
        return [*_subproof(size, data[:k], is_known=is_known), tree_hash(data[k:])]
    return [*_subproof(size - k, data[k:], is_known=False), tree_hash(data[:k])]
