"""Which API key opens. Pure."""

import hmac
from datetime import datetime

from services.auth.records.api_keys import EVERYTHING, ApiKey


def opens(key: ApiKey | None, *, presented: bytes, now: datetime) -> bool:
    """Whether the key whose hash is `presented` opens: stored, not ended, not past its end, the account active.

    A key with narrower scopes opens nothing before there is something that enforces them.

    The comparison takes the same time whatever differs.
    """
    stored = key.key_hash if key is not None else bytes(len(presented))
    matches = hmac.compare_digest(stored, presented)
    if key is None or not matches or tuple(key.scopes) != EVERYTHING:
        return False
    return key.ended_at is None and key.ends_at > now and key.account_state == "active"
