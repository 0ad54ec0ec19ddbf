"""Messages to people."""

from pathlib import Path
from typing import Final
from uuid import UUID

from attrs import field, frozen

GIVEN_UP_AFTER_S: Final = 3 * 86_400
SUBMISSIONS_PORT: Final = 465  # RFC 8314: TLS from the first octet; on every other port STARTTLS is required


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


@frozen
class SmtpSettings:
    """A mail server; `ca` is a PEM file, or None for the system's authorities."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    sender: str
    ca: Path | None
