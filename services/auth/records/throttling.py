"""Counters of failed attempts."""

from attrs import frozen


@frozen
class Counter:
    """`failures` so far, the last `quiet_s` seconds ago; nothing more is tried for `blocked_s` seconds."""

    failures: int
    quiet_s: float
    blocked_s: float


@frozen
class Attempt:
    """An attempt that may be made, counted as failed until it succeeds: parallel guesses gain nothing."""

    failures: int
    blocked_s: float
