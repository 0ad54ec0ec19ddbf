"""The front of direct SQL (decision 21): ends TLS, asks who it is, and only then connects to PostgreSQL itself.

A client speaks PostgreSQL's own protocol and shows an API key or an access token as its password. What goes through is
recorded before it is passed on, and every statement asks anew whether the person may still read here.
"""

import asyncio
import secrets
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Final, Protocol

import structlog
from attrs import evolve, frozen

from services.fleetdb.records.sql import Admission, Cancel, Encryption, Startup
from services.fleetdb.rules import pgwire
from services.fleetdb.rules.pgwire import ProtocolError
from services.fleetdb.sql_sessions import Entered, Gate, Link, Recorder, SqlSession, begin_tls, hang_up, refuse_waiting
from shared.errors import OverLimitError, PublicError, UnavailableError
from shared.places import Places
from shared.proxied import MAX_UNNAMED, NOBODY, Proxies, named_peer
from shared.proxy_header import ProxyHeaderError
from shared.subscribers import subscriber

ANY_IPV6: Final = "::"
"""Of both families; asyncio would take those of IPv6 alone."""
HANDSHAKE_S: Final = 10.0
MAX_CONNECTIONS: Final = 100
"""Of people who have shown a password."""
MAX_OF_ONE: Final = 4
STRANGERS_OF_AN_ADDRESS: Final = 16
STRANGERS: Final = 64
"""Those who have not shown a password yet."""
READ_OCTETS: Final = 65_536
KEY_OCTETS: Final = 4
TLS_WANTED: Final = "encryption is required: connect with sslmode=verify-full"
FULL: Final = "too many connections; try again later"
OF_ONE: Final = f"you have {MAX_OF_ONE} connections already"
# PostgreSQL 18, appendix A.
REFUSED: Final = "28000"
TOO_MANY: Final = "53300"
AWAY: Final = "57P03"
VIOLATION: Final = "08P01"

log = structlog.get_logger()


class Doorkeeper(Gate, Protocol):
    """Who may come in."""

    async def admit(self, startup: Startup, password: str, address: str) -> Admission:
        """As what the client may read; a refusal (`PublicError`) looks the same for what is not there."""


class Upstreams(Protocol):
    """Our own connections to PostgreSQL."""

    async def open(self, admission: Admission, parameters: dict[str, str]) -> Link:
        """One for `admission`."""

    async def cancel(self, admission: Admission, key: Cancel) -> None:
        """Have PostgreSQL stop what the connection with that key does."""


@frozen
class FrontParts:
    """What the front works with."""

    doorkeeper: Doorkeeper
    upstreams: Upstreams
    recorder: Recorder


@frozen(eq=False)
class _Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    address: str


class SqlFront:
    """The listener."""

    def __init__(self, tls: Callable[[], ssl.SSLContext], parts: FrontParts, now: Callable[[], float]) -> None:
        """Prepare it; `tls` gives the server's own for the next connection, `now` Unix seconds."""
        self._tls = tls
        self._doorkeeper, self._upstreams, self._recorder = parts.doorkeeper, parts.upstreams, parts.recorder
        self._now = now
        self._open: set[asyncio.Task[None]] = set()
        self._strangers: Places[_Client] = Places(
            lambda: asyncio.get_running_loop().time(), per_address=STRANGERS_OF_AN_ADDRESS, in_all=STRANGERS
        )
        self._known: set[_Client] = set()
        self._sessions: dict[Cancel, Entered] = {}
        self._entering: list[int] = []
        """Account keys of those who were let in and are not connected yet."""
        self._server: asyncio.Server | None = None
        self._proxies, self._unnamed = NOBODY, 0

    async def listen(self, host: str, port: int, proxies: Proxies = NOBODY) -> None:
        """Take connections; those of `proxies` are of whom they name."""
        self._proxies = proxies
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, dualstack_ipv6=host == ANY_IPV6)
        self._server = await asyncio.start_server(self._accept, sock=listening, limit=READ_OCTETS)

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._server is None:
            raise LookupError("it does not listen")
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """End every connection and take no more."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        client = _Client(reader, writer, str(peer[0]) if peer else "")  # it may be gone already
        if not self._proxies.have(client.address):
            self._take(client)
        elif self._unnamed >= MAX_UNNAMED:
            writer.transport.abort()
        else:
            self._unnamed += 1
            self._spawn(self._name(client))

    async def _name(self, client: _Client) -> None:
        """Let a proxy say whose connection it is."""
        try:
            peer = await named_peer(client.reader)
        except (ProxyHeaderError, TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            log.warning("proxy_refused", proxy=client.address, reason=str(error) or type(error).__name__)
            client.writer.transport.abort()
            return
        finally:
            self._unnamed -= 1
        self._take(client if peer is None else evolve(client, address=peer.host))

    def _take(self, client: _Client) -> None:
        whose, writer = subscriber(client.address), client.writer
        place = self._strangers.place_for(whose)
        if not place.is_there:
            writer.write(pgwire.fatal(TOO_MANY, FULL))
            writer.close()
            return
        if place.instead_of is not None:
            log.info("sql_stranger_made_room", address=place.instead_of.address)
            self._strangers.leave(place.instead_of)
            place.instead_of.writer.transport.abort()  # which ends its conversation
        self._strangers.take(client, whose)
        self._spawn(self._converse(client))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _converse(self, client: _Client) -> None:
        try:
            await self._serve(client)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            log.info("sql_connection_lost", error=type(error).__name__)
        finally:
            self._strangers.leave(client)
            self._known.discard(client)
            await hang_up(client.writer)

    async def _serve(self, client: _Client) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                first = await self._first(client)
                if isinstance(first, Cancel):
                    await self._cancel(first)
                    return
                entered = await self._enter(client, first)
        except ProtocolError as error:
            client.writer.write(pgwire.fatal(VIOLATION, str(error)))
        except PublicError as error:
            client.writer.write(pgwire.fatal(_state_of(error), error.message))
        else:
            await self._relay(client, entered)

    async def _first(self, client: _Client) -> Startup | Cancel:
        """What the client wants, once TLS stands."""
        is_encrypted = False
        while True:
            first = pgwire.parse_first(await _read_first(client.reader))
            if first is Encryption.TLS and not is_encrypted:
                refuse_waiting(client.reader)
                client.writer.write(b"S")
                await begin_tls(client.writer, self._tls(), ssl_handshake_timeout=HANDSHAKE_S)
                is_encrypted = True
            elif isinstance(first, Encryption):
                client.writer.write(b"N")
            elif not is_encrypted:
                raise ProtocolError(TLS_WANTED)
            else:
                return first

    async def _enter(self, client: _Client, startup: Startup) -> Entered:
        if startup.minor or any(name.startswith("_pq_.") for name in startup.parameters):
            client.writer.write(pgwire.older_wanted(startup))
        client.writer.write(pgwire.password_wanted())
        password = await _read_password(client.reader)
        self._strangers.leave(client)
        if len(self._known) >= MAX_CONNECTIONS:
            raise OverLimitError(FULL)
        self._known.add(client)
        admission = await self._doorkeeper.admit(startup, password, client.address)
        who = admission.account_key
        there = [other.admission.account_key for other in self._sessions.values()]
        if [*there, *self._entering].count(who) >= MAX_OF_ONE:
            raise OverLimitError(OF_ONE)
        self._entering.append(who)
        try:
            # A session that cannot be recorded does not begin.
            await self._recorder.begun(admission)
            return Entered(admission, password, await self._upstreams.open(admission, startup.parameters))
        finally:
            self._entering.remove(who)

    async def _relay(self, client: _Client, entered: Entered) -> None:
        key = Cancel(secrets.randbelow(2**31), secrets.token_bytes(KEY_OCTETS))
        self._sessions[key] = entered
        try:
            client.writer.write(entered.link.greeting(key))
            session = SqlSession(entered, self._doorkeeper, self._recorder, self._now)
            await session.run(client.reader, client.writer)
        finally:
            del self._sessions[key]
            await hang_up(entered.link.writer)

    async def _cancel(self, asked: Cancel) -> None:
        for key, entered in self._sessions.items():
            is_it = secrets.compare_digest(key.secret_key, asked.secret_key)
            if is_it and key.process_id == asked.process_id:
                await self._upstreams.cancel(entered.admission, entered.link.key)
                return


async def _read_first(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(pgwire.first_length(await reader.readexactly(4)))


async def _read_password(reader: asyncio.StreamReader) -> str:
    frames = pgwire.Frames(pgwire.MAX_PASSWORD_OCTETS)
    while octets := await reader.read(pgwire.MAX_PASSWORD_OCTETS):
        for frame in frames.feed(octets):
            return pgwire.password_of(frame)
    raise ConnectionResetError("the client left instead of a password")


def _state_of(error: PublicError) -> str:
    if isinstance(error, OverLimitError):
        return TOO_MANY
    return AWAY if isinstance(error, UnavailableError) else REFUSED
