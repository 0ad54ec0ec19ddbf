"""One HTTPS POST, in a thread: verified TLS, bounded in time and size, no redirects."""

import asyncio
import http.client
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from shared.tls import client_context

TIMEOUT_S: Final = 5.0
MAX_ANSWER_OCTETS: Final = 65_536


class PostingError(Exception):
    """The receiver could not be reached, or did not answer as HTTP does."""


@frozen
class Reply:
    """What came back."""

    status: int
    content: bytes


async def post(url: str, content: bytes, headers: Mapping[str, str], ca: str | None) -> Reply:
    """The answer of `url` to `content`.

    Raises:
        PostingError: There is none.
    """
    return await asyncio.to_thread(_post, url, content, headers, ca)


def _post(url: str, content: bytes, headers: Mapping[str, str], ca: str | None) -> Reply:
    parts = urlsplit(url)
    try:
        connection = http.client.HTTPSConnection(
            parts.hostname or "",
            parts.port or 443,
            timeout=TIMEOUT_S,
            context=client_context(None if ca is None else Path(ca)),
        )
        try:
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request("POST", target, body=content, headers=dict(headers))
            answer = connection.getresponse()
            return Reply(answer.status, answer.read(MAX_ANSWER_OCTETS))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise PostingError(f"{parts.hostname}: {type(error).__name__}") from error
