"""Values that arguments of privileges are made of.

Ends are dates (RFC 3339) towards people, Unix seconds towards other services. An asset is named by `kind` and `key`
(the installation's key is 1); a person by account key or login name.
"""

from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta

Key = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Name = Annotated[str, Meta(max_length=400)]
Flag = Annotated[str, Meta(min_length=1, max_length=40)]
Flags = Annotated[list[Flag], Meta(min_length=1, max_length=40)]
Reason = Annotated[str, Meta(max_length=1_000)]
Cursor = Annotated[str, Meta(max_length=200)]
PageSize = Annotated[int, Meta(ge=1, le=1000)]
Moment = Annotated[datetime, Meta(tz=True)]

DEFAULT_PAGE: Final = 100
MAX_CHECKS: Final = 1_000
