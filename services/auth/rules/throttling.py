"""How long to wait after how many failures. Pure.

Counted is each attempt before it is made, and taken back by a success: who guesses in parallel is counted as much as
who guesses in turn. Source: NIST SP 800-63B-4 section 3.2.2 (at most 100 consecutive failures; waits that grow).
"""

from hashlib import sha256
from typing import Final

from services.auth.records.throttling import Attempt, Counter

FREE_FAILURES: Final = 5
FIRST_WAIT_S: Final = 2.0
LONGEST_WAIT_S: Final = 900.0
FORGOTTEN_AFTER_S: Final = 86_400.0
MAX_CODE_FAILURES: Final = 5
"""Wrong codes in one sign-in before it is over."""


def subject(kind: str, *words: object) -> bytes:
    """What a counter is of, as a hash: no counter tells whose it is."""
    return sha256("\x1f".join([kind, *(str(word) for word in words)]).encode()).digest()


def attempt(counter: Counter | None) -> Attempt | None:
    """The attempt that may be made now; None while the subject is blocked."""
    if counter is None or counter.quiet_s >= FORGOTTEN_AFTER_S:
        return Attempt(failures=1, blocked_s=0.0)
    if counter.blocked_s > 0:
        return None
    failures = counter.failures + 1
    return Attempt(failures=failures, blocked_s=wait_after(failures))


def wait_after(failures: int) -> float:
    """Seconds that nothing more is tried for, once `failures` attempts have failed."""
    if failures < FREE_FAILURES:
        return 0.0
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - FREE_FAILURES, 20))
