"""The simple values that several records have."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta

Key = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Name = Annotated[str, Meta(max_length=400)]
Text = Annotated[str, Meta(max_length=16_000)]
Cursor = Annotated[str, Meta(max_length=200)]
PageSize = Annotated[int, Meta(ge=1, le=1000)]
Moment = Annotated[datetime, Meta(tz=True)]

DEFAULT_PAGE: Final = 100


class Stage(StrEnum):
    """For which of its two lives an app is installed; realm names and authids have it in lower case."""

    DEV = "DEV"
    PROD = "PROD"


class LegacyMode(StrEnum):
    """How containers of old SDKs are let in, whose credential is the serial number of their device (decision 16)."""

    STRICT = "strict"
    OWN_REALM_ONLY = "own_realm_only"
    DUAL = "dual"
