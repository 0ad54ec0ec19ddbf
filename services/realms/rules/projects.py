"""Which projects somebody has to do with, and how long old containers are let in."""

from datetime import datetime, timedelta
from typing import Final

from services.realms.records.values import LegacyMode
from shared.errors import InvalidArgumentError
from shared.rights.records import DomainKind, Holdings

MAX_LEGACY: Final = timedelta(days=366)


def touched(holdings: Holdings, *, now: float) -> list[int]:
    """The projects in which the person owns, is a member, or is on a visit at `now` (Unix seconds)."""
    return sorted(
        held.domain.key
        for held in holdings.held
        if held.domain.kind is DomainKind.PROJECT
        and (
            held.standing.is_owner
            or held.standing.is_member
            or any(grant.is_visit and (grant.ends_at or 0) > now for grant in held.standing.grants)
        )
    )


def check_legacy(mode: LegacyMode, ends_at: datetime | None, now: datetime) -> None:
    """Let pass a mode with its end: none for `strict`, one within 366 days for every other.

    Raises:
        InvalidArgumentError: The end is missing, out of range, or said where there is none.
    """
    if mode is LegacyMode.STRICT:
        if ends_at is not None:
            raise InvalidArgumentError("strict has no end", argument="ends_at")
        return
    if ends_at is None or not now < ends_at <= now + MAX_LEGACY:
        raise InvalidArgumentError(
            f"say when this ends, {MAX_LEGACY.days} days from now at the latest: a serial number is no secret",
            argument="ends_at",
        )
