"""What an agent finds around it: the network, the time, and a bound on how many connect at once.

This is the stand-in's shell: the only place of the simulator that reads the clock.
"""

import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol, cast
from urllib.parse import urlsplit

from attrs import frozen
from autobahn.twisted.websocket import WebSocketClientFactory
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IReactorTime
from twisted.internet.ssl import optionsForClientTLS
from twisted.internet.threads import deferToThreadPool

from deploy.flockctl.simulator.gate import Gate
from deploy.flockctl.simulator.link import Link, NotReachedError
from deploy.flockctl.simulator.updating import Fetch
from deploy.flockctl.simulator.wire import DIAL_TIMEOUT_S, SUBPROTOCOLS, USER_AGENT
from shared.tls import client_context, client_options

MAX_CONNECTING: Final = (
    48  # at once, of all agents of one process: 2 cores finish their TLS handshakes well within the dial's 1.25 s
)
MAX_MESSAGE_OCTETS: Final = 16 << 20
FETCH_TIMEOUT_S: Final = 10.0
MAX_FETCHED_OCTETS: Final = 256 << 20


class Dial(Protocol):
    """Opens a connection to a device endpoint."""

    async def __call__(self, url: str) -> Link:
        """The open connection, or NotReachedError."""


@frozen
class Surroundings:
    """What agents share."""

    clock: IReactorTime
    dial: Dial
    now: Callable[[], str]
    gate: Gate
    fetch: Fetch


def surroundings(
    reactor: Any, ca: Path | None, *, clock: Any = None, max_connecting: int = MAX_CONNECTING
) -> Surroundings:
    """The real network of this machine.

    Args:
        ca: The PEM file of the only authority to trust; the system's when None.
        clock: What times everything but the dial; the reactor when None.
        max_connecting: How many agents may be between dialling and being online at once.
    """
    clock = clock or reactor
    dial, fetch = TlsDialer(reactor, ca, clock).dial, Fetcher(reactor, ca).fetch
    return Surroundings(clock, dial, rfc3339_now, Gate(max_connecting, clock), fetch)


def rfc3339_now() -> str:
    """The time of this machine."""
    return datetime.fromtimestamp(time.time(), UTC).isoformat().replace("+00:00", "Z")  # noqa: TID251 - the shell


class Fetcher:
    """Fetches what the platform has for agents, over verified TLS, in the reactor's threads."""

    def __init__(self, reactor: Any, ca: Path | None) -> None:
        """Trust `ca` alone, or the system's authorities when it is None."""
        self._reactor = reactor
        self._ca = ca

    async def fetch(self, url: str) -> bytes:
        """What lies at `url`.

        Raises:
            OSError: Nothing can be had, not in time, or not by https.
        """
        found: bytes = await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), self._read, url)
        return found

    def _read(self, url: str) -> bytes:
        if not url.startswith("https://"):
            raise OSError(f"{url} is not https")
        with urllib.request.urlopen(url, timeout=FETCH_TIMEOUT_S, context=client_context(self._ca)) as answer:  # noqa: S310 - see above
            content: bytes = answer.read(MAX_FETCHED_OCTETS)
        return content


class TlsDialer:
    """Dials as the agent does: one deadline over TCP, TLS and the HTTP upgrade.

    Keeps one TLS context a host, until the file of authorities is another.
    """

    def __init__(self, reactor: Any, ca: Path | None, clock: IReactorTime) -> None:
        """Trust `ca` alone, or the system's authorities when it is None."""
        self._reactor = reactor
        self._clock = clock
        self._ca = ca
        self._options: dict[tuple[str, int], IOpenSSLClientConnectionCreator] = {}

    async def dial(self, url: str) -> Link:
        """An open connection to `url` (`wss://...`).

        Raises:
            NotReachedError: Not within 1.25 s, refused, not verified, or another serializer chosen.
        """
        try:
            return await Deferred.fromCoroutine(self._open(url)).addTimeout(DIAL_TIMEOUT_S, self._reactor)
        except DeferredTimeoutError as error:
            raise NotReachedError(f"no connection within {DIAL_TIMEOUT_S} s") from error
        except (ConnectError, DNSLookupError) as error:  # Twisted: also of a look-up that was cancelled
            raise NotReachedError(str(error)) from error

    async def _open(self, url: str) -> Link:
        parts = urlsplit(url)
        host = str(parts.hostname)
        plain = HostnameEndpoint(self._reactor, host, parts.port or 443, timeout=DIAL_TIMEOUT_S)
        link = cast(Link, await wrapClientTLS(self._tls(host), plain).connect(self._factory(url)))
        await link.opened
        return link

    def _factory(self, url: str) -> Any:
        factory: Any = WebSocketClientFactory(
            url=url, protocols=list(SUBPROTOCOLS), useragent=USER_AGENT, reactor=self._reactor
        )
        factory.noisy = False
        factory.protocol = lambda: Link(self._clock)
        factory.setProtocolOptions(
            openHandshakeTimeout=0,
            closeHandshakeTimeout=1,
            autoPingInterval=0,
            failByDrop=True,
            maxMessagePayloadSize=MAX_MESSAGE_OCTETS,
        )
        return factory

    def _tls(self, host: str) -> IOpenSSLClientConnectionCreator:
        read_at = 0 if self._ca is None else self._ca.stat().st_mtime_ns
        if (host, read_at) not in self._options:
            made = optionsForClientTLS(host) if self._ca is None else client_options(host, self._ca)
            self._options = {each: kept for each, kept in self._options.items() if each[1] == read_at}
            self._options[host, read_at] = made
        return self._options[host, read_at]
