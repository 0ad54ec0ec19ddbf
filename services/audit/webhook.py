"""Entries as signed HTTPS requests."""

import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from services.audit.encoding import canonical
from services.audit.records import Row
from services.audit.settings import Forwarder
from shared.posting import PostingError, post

TIMESTAMP: Final = "x-ironflock-timestamp"
SIGNATURE: Final = "x-ironflock-signature"


def signature(secret: str, timestamp: int, content: bytes) -> str:
    """What the receiver compares, in constant time: HMAC-SHA256 over `<timestamp>.<body>`.

    The timestamp, Unix seconds, lets a receiver refuse what is old: a request that was seen cannot be played again.
    """
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + content, sha256).hexdigest()


class WebhookSender:
    """Sends batches as JSON: `{"origin": ..., "entries": [{"leaf_index": ..., "entry": ...}, ...]}`."""

    def __init__(self, forwarder: Forwarder, origin: str, now: Callable[[], float]) -> None:
        """Send to `forwarder` the entries of the log `origin`; `now` gives Unix seconds."""
        self._forwarder = forwarder
        self._origin = origin
        self._now = now

    async def send(self, rows: list[Row]) -> None:
        """Send `rows`.

        Raises:
            PostingError: The answer was none of 200 to 299.
        """
        entries = [{"leaf_index": row.leaf_index, "entry": canonical(row)} for row in rows]
        content = json.dumps({"origin": self._origin, "entries": entries}, separators=(",", ":")).encode()
        timestamp = int(self._now())
        headers = {
            "content-type": "application/json",
            TIMESTAMP: str(timestamp),
            SIGNATURE: signature(self._forwarder.secret, timestamp, content),
        }
        reply = await post(self._forwarder.url, content, headers, self._forwarder.ca)
        if not 200 <= reply.status <= 299:  # noqa: PLR2004 - the successes of HTTP (RFC 9110 section 15.3)
            raise PostingError(f"the receiver answered {reply.status}")
