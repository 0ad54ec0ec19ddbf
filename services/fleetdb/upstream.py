"""Connections to PostgreSQL for direct SQL: TLS verified, and in by a client certificate of the person's login."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from attrs import frozen

from services.fleetdb.records.sql import Admission, Cancel, Frame
from services.fleetdb.rules import pgwire
from services.fleetdb.rules.pgwire import ProtocolError
from services.fleetdb.sql_sessions import Link, begin_tls, hang_up, refuse_waiting
from shared.clusters import Address
from shared.errors import InvalidArgumentError, OverLimitError, PublicError, UnavailableError

CONNECT_S: Final = 5.0
READ_OCTETS: Final = 65_536
AWAY: Final = "the database is away; try again in a moment"
BUSY: Final = "the database takes no more connections of yours now"
# What a client may choose; the rest is the role's own. Whatever it sets by SET, it can only read.
PASSED_ON: Final = frozenset(
    {"application_name", "client_encoding", "datestyle", "extra_float_digits", "intervalstyle", "timezone"}
)
TOO_MANY: Final = b"C53300"
UNFIT: Final = b"C22023"
"""invalid_parameter_value: PostgreSQL, appendix A."""

TlsOf = Callable[[Admission], Awaitable[ssl.SSLContext]]
"""Gives the TLS settings with the client certificate of an admission's login."""
AddressOf = Callable[[str], Address]
"""Where the cluster of that name is."""


@frozen
class Upstreams:
    """Opens them."""

    address_of: AddressOf
    tls_of: TlsOf

    async def open(self, admission: Admission, parameters: dict[str, str]) -> Link:
        """One for `admission`, ready for statements.

        Raises:
            UnavailableError: PostgreSQL is away, or does not know the login.
            OverLimitError: The login has all the connections that it may have.
            InvalidArgumentError: One of `parameters` has a value that the server does not take.
        """
        passed = {name: value for name, value in parameters.items() if name.lower() in PASSED_ON}
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await self._connect(admission)
                writer.write(pgwire.startup(admission.login, admission.database, passed))
                return await _greeted(reader, writer)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError, ProtocolError) as error:
            raise UnavailableError(AWAY) from error

    async def cancel(self, admission: Admission, key: Cancel) -> None:
        """Have PostgreSQL stop what the connection with that key does; whether it did is seen there.

        Raises:
            UnavailableError: PostgreSQL is away.
        """
        try:
            async with asyncio.timeout(CONNECT_S):
                _, writer = await self._connect(admission)
                writer.write(pgwire.cancel(key.process_id, key.secret_key))
                await writer.drain()
                await hang_up(writer)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError) as error:
            raise UnavailableError(AWAY) from error

    async def _connect(self, admission: Admission) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls, address = await self.tls_of(admission), self.address_of(admission.cluster)
        reader, writer = await asyncio.open_connection(address.host, address.port, limit=READ_OCTETS)
        writer.write(pgwire.ssl_request())
        if await reader.readexactly(1) != b"S":
            writer.close()
            raise ConnectionError("the database does not speak TLS")
        refuse_waiting(reader)
        await begin_tls(writer, tls, server_hostname=address.host)
        return reader, writer


async def _greeted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Link:
    frames, said, key = pgwire.Frames(), list[Frame](), None
    while octets := await reader.read(READ_OCTETS):
        for frame in frames.feed(octets):
            if frame.tag == pgwire.ERROR:
                writer.close()
                raise _refusal(frame)
            if frame.tag == pgwire.BACKEND_KEY:
                key = pgwire.key_of(frame)
                continue
            said.append(frame)
            if frame.tag == pgwire.READY and key is not None:
                return Link(reader, writer, key, tuple(said))
    raise ConnectionResetError("the database left")


def _refusal(frame: Frame) -> PublicError:
    said = frame.body.split(b"\0")
    if TOO_MANY in said:
        return OverLimitError(BUSY)
    if UNFIT in said:
        why = next((each[1:] for each in said if each[:1] == b"M"), b"").decode(errors="replace")
        return InvalidArgumentError(f"the database does not take how you want to connect: {why}")
    return UnavailableError(AWAY)
