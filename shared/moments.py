"""Moments as the platform's documents write them."""

from datetime import UTC, datetime


def rfc3339(time: datetime) -> str:
    """`time` in UTC with microseconds and `Z` (RFC 3339): the one form that entries and certificates have."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
