"""Where messages go: a mail server over TLS, or a folder on one machine."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Final

import aiosmtplib

from services.auth.mailing import DeliveryError
from services.auth.records.messages import SUBMISSIONS_PORT, Letter, SmtpSettings
from shared.tls import client_context

TIMEOUT_S: Final = 10.0


def message_of(message_id: str, letter: Letter, *, sender: str, now: float) -> EmailMessage:
    """The message as it goes out: a header is a header, whatever stands in it (RFC 5322)."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = letter.recipient
    message["Subject"] = " ".join(letter.subject.split())
    message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    message["Message-ID"] = f"<{message_id}@ironflock>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834
    message.set_content(letter.text)
    return message


class FolderDelivery:
    """One file a message, readable by this user alone."""

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        """Write into `folder`; `now` gives Unix seconds."""
        self._folder = folder
        self._now = now

    async def deliver(self, message_id: str, letter: Letter) -> None:
        """Write the message under its id: a second delivery replaces the first."""
        now = self._now()
        octets = message_of(message_id, letter, sender="ironflock@localhost", now=now).as_bytes()
        draft = self._folder / f".{message_id}"
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(octets)
            draft.replace(self._folder / f"{int(now)}-{message_id}.eml")
        except OSError as error:
            raise DeliveryError(f"the folder of messages cannot be written: {error.strerror}") from error


class SmtpDelivery:
    """A mail server, its certificate verified."""

    def __init__(self, settings: SmtpSettings, now: Callable[[], float]) -> None:
        """Send with `settings`; `now` gives Unix seconds."""
        self._settings = settings
        self._now = now

    async def deliver(self, message_id: str, letter: Letter) -> None:
        """Hand the message over (RFC 6409)."""
        settings = self._settings
        message = message_of(message_id, letter, sender=settings.sender, now=self._now())
        is_implicit = settings.port == SUBMISSIONS_PORT
        try:
            await aiosmtplib.send(
                message,
                hostname=settings.host,
                port=settings.port,
                username=settings.user or None,
                password=settings.password or None,
                use_tls=is_implicit,
                start_tls=not is_implicit,
                tls_context=client_context(settings.ca),
                timeout=TIMEOUT_S,
            )
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            code = getattr(error, "code", "")
            raise DeliveryError(f"{type(error).__name__} {code}".strip()) from error
