"""What must have been shown lately before something that matters. Pure. Source: RFC 9470."""

from datetime import datetime, timedelta
from typing import Final

from services.auth.records.sessions import Session

MAX_AGE_S: Final = 300


def is_fresh(session: Session, *, has_factor: bool, now: datetime) -> bool:
    """Whether the person has shown a second factor within five minutes; the first one, where they have no second.

    Args:
        has_factor: Whether the account has a second factor now.
    """
    shown_at = session.factor_at if has_factor else session.authenticated_at
    return shown_at is not None and now - shown_at <= timedelta(seconds=MAX_AGE_S)
