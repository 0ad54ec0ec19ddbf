"""Time-based codes (RFC 6238 over RFC 4226): SHA-1, six digits, 30 seconds, as every authenticator app has it. Pure.

A spent time step, and every one before it, opens nothing any more (RFC 6238 section 5.2).
"""

import hmac
from typing import Final

import pyotp

PERIOD_S: Final = 30
DIGITS: Final = 6
DRIFT_STEPS: Final = 1
SECRET_OCTETS: Final = 20  # RFC 4226 section 4, R6: at least 128 bits, 160 recommended


def time_step(now: float) -> int:
    """The number of the time step of `now` (Unix seconds)."""
    return int(now) // PERIOD_S


def matching_step(secret: str, code: str, *, now: float, last_step: int) -> int | None:
    """The unspent time step, at most one away from now, whose code this is; None where there is none.

    Args:
        secret: In base32, as key URIs have it.
        last_step: The last step that was spent.
    """
    digits = "".join(code.split())
    if len(digits) != DIGITS or not digits.isascii() or not digits.isdigit():
        return None
    codes = pyotp.HOTP(secret, digits=DIGITS)
    current = time_step(now)
    found = None
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):  # all of them, whichever matches
        matches = hmac.compare_digest(codes.at(step), digits) if step >= 0 else False
        if matches and step > last_step:
            found = step
    return found


def key_uri(secret: str, *, issuer: str, login_name: str) -> str:
    """The URI that authenticator apps read from a QR code."""
    return pyotp.TOTP(secret, digits=DIGITS, interval=PERIOD_S).provisioning_uri(name=login_name, issuer_name=issuer)
