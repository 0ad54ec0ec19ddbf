"""API keys as they are stored."""

from datetime import datetime, timedelta
from typing import Final, Literal

from attrs import field, frozen

FIRST_KEY_LIFE: Final = timedelta(days=90)


FIRST_KEY_NAME: Final = "first key"


ERASED_KEY_NAME: Final = "erased"


EVERYTHING: Final = ("*",)


USE_RESOLUTION: Final = timedelta(minutes=1)


@frozen
class ApiKey:
    """An API key as it is stored, with the state of its account; `key_hash` is SHA-256 of the whole key."""

    key_id: str
    account_key: int
    key_hash: bytes = field(repr=False)
    scopes: list[str]
    ends_at: datetime
    ended_at: datetime | None
    account_state: Literal["active", "disabled"]
