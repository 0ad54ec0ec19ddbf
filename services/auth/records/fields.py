"""Shapes that more than one record of auth uses."""

from typing import Annotated, Final

from msgspec import Meta

Key = Annotated[int, Meta(ge=1, le=2**53 - 1)]


ShortText = Annotated[str, Meta(max_length=256)]


Ticket = Annotated[str, Meta(max_length=4096)]


MAX_ITEMS: Final = 1_000
