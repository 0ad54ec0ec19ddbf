"""One HTTPS request, in a thread: verified TLS, bounded in time and size, no redirects."""

import asyncio
import http.client
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen

from shared.tls import client_context

TIMEOUT_S: Final = 5.0
MAX_TIME_S: Final = 10.0
"""For all of it, however busily an answer trickles in."""
MAX_ANSWER_OCTETS: Final = 65_536


class PostingError(Exception):
    """The receiver could not be reached, or did not answer as HTTP does, or with too much."""


@frozen
class Reply:
    """What came back."""

    status: int
    content: bytes = field(repr=False)


async def post(url: str, content: bytes, headers: Mapping[str, str], ca: str | None) -> Reply:
    """The answer of `url` to `content`.

    Raises:
        PostingError: There is none.
    """
    return await asyncio.to_thread(_ask, "POST", url, content, headers, ca)


async def fetch(url: str, headers: Mapping[str, str], ca: str | None) -> Reply:
    """What lies at `url`. Errors as `post`."""
    return await asyncio.to_thread(_ask, "GET", url, None, headers, ca)


def _ask(method: str, url: str, content: bytes | None, headers: Mapping[str, str], ca: str | None) -> Reply:
    parts = urlsplit(url)
    try:
        connection = http.client.HTTPSConnection(
            parts.hostname or "",
            parts.port or 443,
            timeout=TIMEOUT_S,
            context=client_context(None if ca is None else Path(ca)),
        )
        is_late = threading.Event()
        deadline = threading.Timer(MAX_TIME_S, _cut, [connection, is_late])
        deadline.daemon = True
        deadline.start()
        try:
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request(method, target, body=content, headers=dict(headers))
            answer = connection.getresponse()
            received = answer.read(MAX_ANSWER_OCTETS + 1)
        finally:
            deadline.cancel()
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise PostingError(f"{parts.hostname}: {type(error).__name__}") from error
    if len(received) > MAX_ANSWER_OCTETS:
        raise PostingError(f"{parts.hostname}: the answer is too large")
    if is_late.is_set() or answer.length:
        raise PostingError(f"{parts.hostname}: the answer is not whole")
    return Reply(answer.status, received)


def _cut(connection: http.client.HTTPSConnection, is_late: threading.Event) -> None:
    """End what takes too long, from another thread: whoever waits for octets gets none."""
    is_late.set()
    if connection.sock is not None:
        with suppress(OSError):
            # Not the TLS socket's own: that would go on as plain text.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
