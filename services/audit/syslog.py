"""Entries as syslog messages (RFC 5424) over TLS (RFC 5425)."""

import asyncio
import json
from pathlib import Path
from typing import Final

from services.audit.encoding import canonical
from services.audit.records import Row
from services.audit.settings import Forwarder
from shared.audit import Outcome
from shared.moments import rfc3339
from shared.posting import PostingError
from shared.tls import client_context

LOG_AUDIT: Final = 13
"""The facility "log audit" (RFC 5424 section 6.2.1)."""
INFORMATIONAL: Final = 6
WARNING: Final = 4
APP_NAME: Final = "ironflock-audit"
NIL: Final = "-"
MAX_HOSTNAME: Final = 255
MAX_MSGID: Final = 32
TIMEOUT_S: Final = 10.0


def message(row: Row, hostname: str) -> bytes:
    """One message: its MSGID is the action, its MSG the entry as JSON. Source: RFC 5424 section 6."""
    severity = INFORMATIONAL if row.outcome in (Outcome.DONE, Outcome.INTENDED) else WARNING
    head = f"<{LOG_AUDIT * 8 + severity}>1 {rfc3339(row.recorded_at)} {_word(hostname, MAX_HOSTNAME)} {APP_NAME} {NIL}"
    text = json.dumps({"leaf_index": row.leaf_index, "entry": canonical(row)}, separators=(",", ":"))
    return f"{head} {_word(row.action, MAX_MSGID)} {NIL} {text}".encode()


def frame(octets: bytes) -> bytes:
    """A message with its length before it. Source: RFC 5425 section 4.3."""
    return f"{len(octets)} ".encode() + octets


def _word(text: str, most: int) -> str:
    return "".join(c if "!" <= c <= "~" else "?" for c in text)[:most] or NIL


class SyslogSender:
    """Sends batches, each over a connection of its own, whose orderly end says that all was taken."""

    def __init__(self, forwarder: Forwarder, hostname: str) -> None:
        """Send to `forwarder`, as `hostname`."""
        self._forwarder = forwarder
        self._hostname = hostname
        self._tls = client_context(None if forwarder.ca is None else Path(forwarder.ca))

    async def send(self, rows: list[Row]) -> None:
        """Send `rows`.

        Raises:
            PostingError, OSError: The connection did not come about, or broke before it was ended on both sides.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._send(b"".join(frame(message(row, self._hostname)) for row in rows))
        except TimeoutError as error:
            raise PostingError(f"{self._forwarder.host} does not take messages") from error

    async def _send(self, octets: bytes) -> None:
        reader, writer = await asyncio.open_connection(self._forwarder.host, self._forwarder.port, ssl=self._tls)
        try:
            writer.write(octets)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        finally:
            writer.transport.abort()
        if reader.exception() is not None:
            raise PostingError(f"{self._forwarder.host} broke the connection")
