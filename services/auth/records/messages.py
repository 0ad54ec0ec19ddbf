"""Messages to people."""

from typing import Final
from uuid import UUID

from attrs import field, frozen

GIVEN_UP_AFTER_S: Final = 3 * 86_400


@frozen
class WaitingMessage:
    """A message that is to be delivered; recipient and text are sealed."""

    message_id: UUID
    sealed: bytes = field(repr=False)
    attempts: int


@frozen
class Letter:
    """A message in clear."""

    recipient: str = field(repr=False)
    subject: str
    text: str = field(repr=False)
