"""How much a device answers to whoever sent it datagrams without an account. Pure.

An address in a datagram proves nothing, so a port that answers without bound could be turned against somebody else:
what an address is sent is measured by what came from it, over all ports together.
"""

from typing import Final

from attrs import evolve, frozen

ANSWERS_PER_S: Final = 500.0
"""Datagrams to one address in a second, and as many at once."""
FIRST_OCTETS: Final = 4_096
PER_OCTET: Final = 10
"""An address is sent at most `FIRST_OCTETS` and so many times what came from it."""
HEADER_OCTETS: Final = 28
"""Of IPv4 and UDP (RFC 791, RFC 768), which empty datagrams cost too."""
FORGOTTEN_S: Final = 600.0
"""After so long without a datagram from it an address is one that nobody knows."""


@frozen
class Answering:
    """What an address may be sent: `left` datagrams at once as of `at`, and `octets` in all.

    Times are seconds of a clock that only goes forward; `heard_at` is that of the last datagram from it.
    """

    at: float
    left: float = ANSWERS_PER_S
    octets: int = FIRST_OCTETS
    heard_at: float = 0.0


def heard(answering: Answering | None, now: float, length: int) -> Answering:
    """The same after a datagram with `length` octets from the address; None is one that nobody knows."""
    if answering is None or now - answering.heard_at > FORGOTTEN_S:
        answering = Answering(now)
    return evolve(
        answering, octets=answering.octets + PER_OCTET * (length + HEADER_OCTETS), heard_at=max(now, answering.heard_at)
    )


def answered(answering: Answering, now: float, length: int) -> Answering | None:
    """The same after a datagram with `length` octets to the address; None where it has to be dropped."""
    octets = length + HEADER_OCTETS
    left = min(ANSWERS_PER_S, answering.left + max(0.0, now - answering.at) * ANSWERS_PER_S)
    if left < 1 or octets > answering.octets:
        return None
    return evolve(answering, at=max(now, answering.at), left=left - 1, octets=answering.octets - octets)
