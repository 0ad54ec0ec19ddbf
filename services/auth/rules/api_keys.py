"""Which API key opens, and how long one may live. Pure."""

import hmac
import re
from datetime import datetime, timedelta
from typing import Final

from services.auth.records.api_keys import KEY_LIFE, MAX_KEY_LIFE, ApiKey
from shared.errors import InvalidArgumentError

_KEY_ID: Final = re.compile(r"[0-9A-Za-z]{12}", re.ASCII)


def is_key_id(text: str) -> bool:
    """Whether `text` can be the id of a key."""
    return _KEY_ID.fullmatch(text) is not None


def opens(key: ApiKey | None, *, presented: bytes, now: datetime) -> bool:
    """Whether the key whose hash is `presented` opens: stored, not ended, not past its end, the account active.

    The comparison takes the same time whatever differs.
    """
    stored = key.key_hash if key is not None else bytes(len(presented))
    matches = hmac.compare_digest(stored, presented)
    if key is None or not matches:
        return False
    return key.ended_at is None and key.ends_at > now and key.account_state == "active"


def end_of(wanted: datetime | None, now: datetime) -> datetime:
    """When a new key ends.

    Raises:
        InvalidArgumentError: `wanted` has passed, or is more than a year and a day away.
    """
    if wanted is None:
        return now + KEY_LIFE
    if wanted <= now:
        raise InvalidArgumentError("ends_at has passed already", argument="ends_at")
    if wanted > now + MAX_KEY_LIFE:
        raise InvalidArgumentError(f"a key lives for {MAX_KEY_LIFE.days} days at most", argument="ends_at")
    return wanted


def life_of_next(created_at: datetime, ends_at: datetime) -> timedelta:
    """How long the key lives that follows one of these dates: as long as that one was meant to."""
    return min(max(ends_at - created_at, timedelta(days=1)), MAX_KEY_LIFE)
