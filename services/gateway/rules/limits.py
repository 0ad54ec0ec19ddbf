"""How often somebody may ask: the generic cell rate algorithm (ITU-T I.371, annex A), and the headers that say it."""

import math
from typing import Final

from services.gateway.records import Headers, Rate, Verdict

INEXACT: Final = 1e-3
"""The sum of many intervals is so far from exact, in intervals."""


def spend(arrival: float, *, now: float, rate: Rate, cost: int = 1) -> Verdict:
    """Whether `cost` more may pass now.

    Args:
        arrival: The theoretical arrival time that the last verdict gave, 0 for somebody new; seconds, as `now`.
    """
    interval = rate.period_s / rate.count
    after = max(arrival, now) + interval * cost
    over = after - now - rate.period_s
    if over > interval * INEXACT:
        return Verdict(
            is_allowed=False,
            arrival=arrival,
            remaining=_left(arrival, now, rate),
            reset_s=max(0.0, arrival - now),
            retry_after_s=over,
        )
    return Verdict(
        is_allowed=True, arrival=after, remaining=_left(after, now, rate), reset_s=after - now, retry_after_s=0.0
    )


def headers(verdict: Verdict, rate: Rate) -> Headers:
    """The fields of draft-ietf-httpapi-ratelimit-headers, and the three that clients have known for longer."""
    reset = str(math.ceil(verdict.reset_s))
    return (
        ("ratelimit-policy", f'"credential";q={rate.count};w={math.ceil(rate.period_s)}'),
        ("ratelimit", f'"credential";r={verdict.remaining};t={reset}'),
        ("ratelimit-limit", str(rate.count)),
        ("ratelimit-remaining", str(verdict.remaining)),
        ("ratelimit-reset", reset),
    )


def _left(arrival: float, now: float, rate: Rate) -> int:
    used = max(0.0, arrival - now) / (rate.period_s / rate.count)
    return max(0, math.floor(rate.count - used + INEXACT))
