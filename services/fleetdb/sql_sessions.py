"""One session of direct SQL: octets both ways, each statement confirmed and recorded before PostgreSQL sees it."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol

import attrs
import structlog
from attrs import field, frozen

from services.fleetdb.records.sql import Admission, Cancel, Frame, Tally
from services.fleetdb.rules import pgwire
from services.fleetdb.rules.pgwire import ProtocolError
from services.fleetdb.rules.statements import Statements
from shared.errors import PublicError, UnavailableError

READ_OCTETS: Final = 65_536
IDLE_S: Final = 900.0
KEPT_LETTERS: Final = 2**20
MAX_KEPT: Final = 8_000
"""Letters of prepared statements that are kept in all, and of one of them; what is longer is recorded when prepared."""
CONFIRMED_FOR_S: Final = 1.0
"""How long a confirmation holds: whoever loses a right, key or account has no statement taken after that."""
LOOK_EVERY_S: Final = 2.0
CLOSING_S: Final = 2.0
ENDED: Final = "57P01"
ENDED_BY_TIME: Final = "57P05"
VIOLATION: Final = "08P01"
CREDENTIAL_ENDED: Final = "what you are signed in with has ended"
IDLE: Final = "nothing was asked for 15 minutes"
NOT_READING: Final = "this kind of message is not taken here: what you have reads"

log = structlog.get_logger()


class Gate(Protocol):
    """Whether somebody who was let in may still be there."""

    async def confirm(self, admission: Admission, password: str) -> None:
        """Return while they may; a refusal (`PublicError`) says why not, `UnavailableError` that nobody can say."""


class Recorder(Protocol):
    """What of it goes into the audit log."""

    async def begun(self, admission: Admission) -> None:
        """Somebody is about to come in."""

    async def asked(self, admission: Admission, statement: str) -> None:
        """A statement is about to be passed on."""

    async def ended(self, admission: Admission, tally: Tally, cause: str) -> None:
        """The session is over."""


@frozen
class Link:
    """Our own connection to PostgreSQL; `greeted` is what it said up to its readiness, its key left out."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    key: Cancel
    greeted: tuple[Frame, ...] = field(repr=False)

    def greeting(self, key: Cancel) -> bytes:
        """The same for the client, who cancels by a `key` of the front's own."""
        *before, ready = [frame.octets for frame in self.greeted]
        return b"".join([*before, pgwire.backend_key(key.process_id, key.secret_key), ready])


@frozen
class Entered:
    """Somebody who was let in, with what they showed and their connection to PostgreSQL."""

    admission: Admission
    password: str = field(repr=False)
    link: Link


class EndedError(Exception):
    """The session is over: `sqlstate` and the text go to the client, the text into the log."""

    def __init__(self, sqlstate: str, text: str) -> None:
        """Say so."""
        super().__init__(text)
        self.sqlstate = sqlstate
        self.text = text


class SqlSession:
    """Passes octets on until one side leaves, or the person may not any more."""

    def __init__(self, entered: Entered, gate: Gate, recorder: Recorder, now: Callable[[], float]) -> None:
        """For somebody who has `entered`; `now` gives Unix seconds."""
        loop = asyncio.get_running_loop()
        self._admission, self._password, self._link = entered.admission, entered.password, entered.link
        self._gate = gate
        self._recorder = recorder
        self._now = now
        self._counting = pgwire.Counting()
        self._statements = Statements(MAX_KEPT, KEPT_LETTERS)
        self._tally = Tally()
        self._turn = asyncio.Lock()
        self._clock = loop.time
        self._confirmed_at = self._asked_at = loop.time()

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on until it ends, then say why, to the client and to the log."""
        ways = [self._client_to_server(reader), self._server_to_client(writer), self._look()]
        tasks = [asyncio.create_task(way) for way in ways]
        cause = "the service stopped"
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            cause = _cause([task.exception() for task in done], writer)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            tally = attrs.evolve(self._tally, rows=self._counting.rows)
            await asyncio.shield(self._recorder.ended(self._admission, tally, cause))

    async def _client_to_server(self, reader: asyncio.StreamReader) -> None:
        frames = pgwire.Frames()
        while octets := await reader.read(READ_OCTETS):
            for frame in frames.feed(octets):
                if frame.tag not in pgwire.TAKEN:
                    raise ProtocolError(NOT_READING)
                await self._take(frame)
                self._link.writer.write(frame.octets)
                if frame.tag == pgwire.TERMINATE:
                    return
            await self._link.writer.drain()

    async def _take(self, frame: Frame) -> None:
        """Confirm and record, where it is a statement."""
        self._asked_at = self._clock()
        statements = self._statements.begun_by(frame)
        if statements:
            await self._confirm()
        for statement in statements:
            await self._recorder.asked(self._admission, statement)
        if frame.tag in (pgwire.QUERY, pgwire.BIND):
            self._tally = attrs.evolve(self._tally, statements=self._tally.statements + 1)

    async def _confirm(self) -> None:
        async with self._turn:
            if self._clock() - self._confirmed_at < CONFIRMED_FOR_S:
                return
            try:
                await self._gate.confirm(self._admission, self._password)
            except PublicError as error:
                raise EndedError(ENDED, error.message) from error
            self._confirmed_at = self._clock()

    async def _server_to_client(self, writer: asyncio.StreamWriter) -> None:
        while octets := await self._link.reader.read(READ_OCTETS):
            for tag in self._counting.feed(octets):
                self._statements.answered(tag)
            self._tally = attrs.evolve(self._tally, octets=self._tally.octets + len(octets))
            self._asked_at = self._clock()
            writer.write(octets)
            await writer.drain()

    async def _look(self) -> None:
        """End what nobody uses, and what runs on although the person may not any more."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._clock() - self._asked_at > IDLE_S:
                raise EndedError(ENDED_BY_TIME, IDLE)
            if self._now() >= self._admission.ends_at:
                raise EndedError(ENDED, CREDENTIAL_ENDED)
            await self._confirm()


async def begin_tls(writer: asyncio.StreamWriter, tls: ssl.SSLContext, **options: Any) -> None:
    """TLS on what was in clear so far; `options` as `StreamWriter.start_tls` has them.

    Raises:
        OSError: It did not come to that.
    """
    in_clear = writer.transport
    try:
        await writer.start_tls(tls, **options)
    except AttributeError as error:
        if vars(writer)["_transport"] is not None:
            raise
        # asyncio (3.11) has no transport at all any more, and fails here and again when it is closed.
        vars(writer)["_transport"] = in_clear
        raise ConnectionResetError("the other side left instead of a TLS handshake") from error


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """End a connection, whether the other side still listens or not."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSING_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()


def refuse_waiting(reader: asyncio.StreamReader) -> None:
    """Refuse octets that came in clear after TLS was agreed upon: they would pass as if they had come inside it.

    Such was CVE-2021-23214 and CVE-2021-23222.

    Raises:
        ProtocolError: There are some.
    """
    if vars(reader)["_buffer"]:  # there is no public way to see it
        raise ProtocolError("something came between the request for TLS and its handshake")


def _cause(failures: list[BaseException | None], writer: asyncio.StreamWriter) -> str:
    """Why it ended; what the client has still to hear is written."""
    failure = next((each for each in failures if each is not None), None)
    match failure:
        case None:
            return "a side left"
        case EndedError():
            writer.write(pgwire.fatal(failure.sqlstate, failure.text))
            return failure.text
        case ProtocolError():
            writer.write(pgwire.fatal(VIOLATION, str(failure)))
            return "a message was not of the protocol"
        case PublicError():
            # What cannot be recorded is not passed on.
            writer.write(pgwire.fatal(ENDED, failure.message))
            return failure.message
        case OSError():
            return "the connection was lost"
        case _:
            log.error("sql_session_failed", exc_info=failure)
            writer.write(pgwire.fatal(ENDED, UnavailableError("something went wrong here").message))
            return "a fault of ours"
