"""One HTTPS request, in a thread: verified TLS, bounded in time and size, no redirects."""

import asyncio
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen
from typing_extensions import override

from shared.tls import client_context

TIMEOUT_S: Final = 5.0
MAX_TIME_S: Final = 10.0
"""For all of it, however many addresses a name has and however busily an answer trickles in."""
MOST_ADDRESSES: Final = 3
"""Of a name are tried."""
MAX_ANSWER_OCTETS: Final = 65_536

MayReach = Callable[[str], bool]


class PostingError(Exception):
    """The receiver could not be reached, or did not answer as HTTP does, or with too much."""


@frozen
class Reply:
    """What came back."""

    status: int
    content: bytes = field(repr=False)


async def post(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    ca: str | None,
    *,
    may_reach: MayReach | None = None,
) -> Reply:
    """The answer of `url` to `content`.

    Args:
        may_reach: Says of an IP address whether it may be connected to: the very one is, whatever a name means later.

    Raises:
        PostingError: There is none.
    """
    return await asyncio.to_thread(_ask, "POST", url, content, headers, ca, may_reach=may_reach)


async def fetch(url: str, headers: Mapping[str, str], ca: str | None) -> Reply:
    """What lies at `url`. Errors as `post`."""
    return await asyncio.to_thread(_ask, "GET", url, None, headers, ca)


class _Connection(http.client.HTTPSConnection):
    """A connection to an address that may be reached, which is cut `MAX_TIME_S` from now."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, may_reach: MayReach) -> None:
        super().__init__(host, port, timeout=TIMEOUT_S, context=context)
        self._tls = context
        self._may_reach = may_reach
        self._until = time.monotonic() + MAX_TIME_S
        # `sock` is let go, though still read, once an answer says that no other request may follow.
        self._octets: ssl.SSLSocket | None = None

    @property
    def is_late(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._until

    @override
    def connect(self) -> None:
        reached = _connected(self.host, self.port, self._may_reach, self._until)
        self.sock = self._tls.wrap_socket(reached, server_hostname=self.host, do_handshake_on_connect=False)
        self._octets = self.sock
        if self.is_late:  # what cuts it may have come before there was anything to cut
            raise TimeoutError
        self.sock.do_handshake()

    def cut(self) -> None:
        """End what takes too long, from another thread: whoever waits for octets gets none."""
        if self._octets is not None:
            with suppress(OSError):
                # Not the TLS socket's own: that would go on as plain text.
                socket.socket.shutdown(self._octets, socket.SHUT_RDWR)


def _connected(host: str, port: int, may_reach: MayReach, until: float) -> socket.socket:
    """A connection to the first address of `host` that takes it, where all of them may be reached.

    Raises:
        PostingError: One of them may not be reached.
        OSError: None of the first few takes it before `until`, of the monotonic clock.
    """
    found = [each[4] for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not found or not all(may_reach(str(address[0])) for address in found):
        raise PostingError(f"{host}: this address may not be reached from here")
    failure: OSError = TimeoutError()
    for address in found[:MOST_ADDRESSES]:
        left = until - time.monotonic()
        if left <= 0:
            break
        try:
            return socket.create_connection((str(address[0]), port), min(TIMEOUT_S, left))
        except OSError as error:
            failure = error
    raise failure


def _ask(
    method: str,
    url: str,
    content: bytes | None,
    headers: Mapping[str, str],
    ca: str | None,
    *,
    may_reach: MayReach | None = None,
) -> Reply:
    parts = urlsplit(url)
    try:
        context = client_context(None if ca is None else Path(ca))
        connection = _Connection(parts.hostname or "", parts.port or 443, context, may_reach or _anywhere)
        deadline = threading.Timer(MAX_TIME_S, connection.cut)
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
    if connection.is_late or answer.length:
        raise PostingError(f"{parts.hostname}: the answer is not whole")
    return Reply(answer.status, received)


def _anywhere(_: str) -> bool:
    return True
