"""How much a device answers to whoever sent it datagrams without an account. Pure.

An address in a datagram proves nothing, so a port that answers without bound could be turned against somebody else.
"""

from typing import Final

from attrs import evolve, frozen

ANSWERS_PER_S: Final = 500.0
"""Datagrams to one address in a second, and as many at once."""


@frozen
class Answering:
    """How many datagrams an address may be sent at once, as of `at` (seconds of a clock that only goes forward)."""

    at: float
    left: float = ANSWERS_PER_S


def answered(answering: Answering, now: float) -> Answering | None:
    """The same after one more datagram; None where it has to be dropped."""
    left = min(ANSWERS_PER_S, answering.left + max(0.0, now - answering.at) * ANSWERS_PER_S)
    return None if left < 1 else evolve(answering, at=max(now, answering.at), left=left - 1)
