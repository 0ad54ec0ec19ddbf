"""API keys as they are stored, and what people ask of them; service accounts, which own keys where no person should."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from attrs import field, frozen
from msgspec import Meta

from services.auth.records.fields import Key, ShortText
from services.auth.records.people import Reason

FIRST_KEY_LIFE: Final = timedelta(days=90)
FIRST_KEY_NAME: Final = "first key"
ERASED_KEY_NAME: Final = "erased"
KEY_LIFE: Final = timedelta(days=90)
MAX_KEY_LIFE: Final = timedelta(days=366)
MAX_KEYS: Final = 50
MAX_SERVICE_ACCOUNTS: Final = 100
OVERLAP_S: Final = 86_400
MAX_OVERLAP_S: Final = 30 * 86_400
SHOWN_AFTER_END: Final = timedelta(days=90)
USE_RESOLUTION: Final = timedelta(minutes=1)

Ends = Annotated[datetime, Meta(tz=True)]
KeyId = Annotated[str, Meta(pattern="^[0-9A-Za-z]{12}$")]


@frozen
class ApiKey:
    """An API key as it is stored, with the state of its account and of whoever owns that; `key_hash` is SHA-256.

    `owner_key` is the person whose service account it is a key of; None where it is a person's own.
    """

    key_id: str
    account_key: int
    owner_key: int | None
    key_hash: bytes = field(repr=False)
    scopes: list[str]
    ends_at: datetime
    ended_at: datetime | None
    account_state: Literal["pending", "active", "disabled"]


@frozen
class CreateApiKey:
    """`ironflock.auth.api_key.create`: for the caller, or for one of their service accounts; ends after 90 days."""

    name: ShortText
    scopes: list[ShortText]
    ends_at: Ends | None = None
    account_key: Key | None = None


@frozen
class NewApiKey:
    """A key with its text, which is shown this once."""

    key_id: str
    key: str = field(repr=False)
    account_key: int
    name: str
    scopes: list[str]
    ends_at: datetime


@frozen
class ListApiKeys:
    """`ironflock.auth.api_key.list`: the caller's, or those of one of their service accounts."""

    account_key: Key | None = None


@frozen
class ApiKeyView:
    """A key as its people see it; `prefix` is how its text begins. One that has ended is shown for 90 days."""

    key_id: str
    prefix: str
    account_key: int
    name: str
    scopes: list[str]
    created_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    ended_because: str | None
    last_used_at: datetime | None
    last_address: str | None
    rotated_from: str | None


@frozen
class ApiKeyList:
    """`ironflock.auth.api_key.list`, the newest first."""

    api_keys: list[ApiKeyView]


@frozen
class RotateApiKey:
    """`ironflock.auth.api_key.rotate`: the old key opens for `overlap_s` seconds more, and not beyond its own end."""

    key_id: KeyId
    overlap_s: Annotated[int, Meta(ge=0, le=MAX_OVERLAP_S)] = OVERLAP_S


@frozen
class EndApiKey:
    """`ironflock.auth.api_key.end`."""

    key_id: KeyId
    reason: Reason = ""


@frozen
class CreateServiceAccount:
    """`ironflock.auth.service_account.create`."""

    name: ShortText


@frozen
class NameServiceAccount:
    """`ironflock.auth.service_account.end`; one that owns projects is ended only where that is meant."""

    account_key: Key
    with_projects: bool = False


@frozen
class ServiceAccount:
    """An account that no person signs in by; its owner gives it keys."""

    account_key: int
    name: str
    created_at: datetime


@frozen
class ServiceAccountList:
    """`ironflock.auth.service_account.list`, in the order of their keys."""

    service_accounts: list[ServiceAccount]
