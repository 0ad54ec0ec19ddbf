"""One HTTPS request, in a thread: verified TLS, bounded in time and size, no redirects. Names are looked up apart."""

import asyncio
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen
from typing_extensions import override

from shared.resolving import Resolving
from shared.tls import client_context

TIMEOUT_S: Final = 5.0
MAX_TIME_S: Final = 10.0
"""For all of it, however many addresses a name has and however busily an answer trickles in."""
MOST_ADDRESSES: Final = 3
"""Of a name are tried."""
MAX_ANSWER_OCTETS: Final = 65_536
MOST_AT_ONCE: Final = 64
"""Requests under way, each of which may take all of its time; who may have how many of them is for who asks to say."""

MayReach = Callable[[str], bool]
_RESOLVING: Final = Resolving()
_THREADS: Final = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="posting")


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
    return await _asked("POST", url, content, headers, ca, may_reach=may_reach)


async def fetch(url: str, headers: Mapping[str, str], ca: str | None) -> Reply:
    """What lies at `url`. Errors as `post`."""
    return await _asked("GET", url, None, headers, ca)


@frozen
class _Target:
    """Where to: all addresses of the name may be reached; `until` is of the monotonic clock."""

    host: str
    port: int
    addresses: tuple[str, ...]
    until: float


@frozen
class _Request:
    """What is asked."""

    method: str
    url: str
    content: bytes | None = field(repr=False)
    headers: dict[str, str] = field(repr=False)


async def _asked(
    method: str,
    url: str,
    content: bytes | None,
    headers: Mapping[str, str],
    ca: str | None,
    *,
    may_reach: MayReach | None = None,
) -> Reply:
    until, host = time.monotonic() + MAX_TIME_S, ""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        found = await _RESOLVING.addresses(host, port)
    except (OSError, ValueError) as error:
        raise PostingError(f"{host}: {type(error).__name__}") from error
    if not found or not all(map(may_reach or _anywhere, found)):
        raise PostingError(f"{host}: this address may not be reached from here")
    target = _Target(host, port, tuple(found[:MOST_ADDRESSES]), until)
    asking = asyncio.get_running_loop().run_in_executor
    return await asking(_THREADS, _ask, target, _Request(method, url, content, dict(headers)), ca)


class _Connection(http.client.HTTPSConnection):
    """A connection to the first address that takes it, which is cut when the time is over."""

    def __init__(self, target: _Target, context: ssl.SSLContext) -> None:
        super().__init__(target.host, target.port, timeout=TIMEOUT_S, context=context)
        self._tls = context
        self._target = target
        # `sock` is let go, though still read, once an answer says that no other request may follow.
        self._octets: ssl.SSLSocket | None = None

    @property
    def is_late(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._target.until

    @override
    def connect(self) -> None:
        reached = _connected(self._target)
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


def _connected(target: _Target) -> socket.socket:
    """A connection to the first address that takes it.

    Raises:
        OSError: None does before the time is over.
    """
    failure: OSError = TimeoutError()
    for address in target.addresses:
        left = target.until - time.monotonic()
        if left <= 0:
            break
        try:
            return socket.create_connection((address, target.port), min(TIMEOUT_S, left))
        except OSError as error:
            failure = error
    raise failure


def _ask(target: _Target, request: _Request, ca: str | None) -> Reply:
    parts = urlsplit(request.url)
    try:
        context = client_context(None if ca is None else Path(ca))
        connection = _Connection(target, context)
        deadline = threading.Timer(max(0.0, target.until - time.monotonic()), connection.cut)
        deadline.daemon = True
        deadline.start()
        try:
            path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request(request.method, path, body=request.content, headers=request.headers)
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
