"""PostgreSQL's protocol 3.0, as much of it as a front in the middle needs to know: pure.

Source: PostgreSQL 18, chapter 54 (message flow 54.2, formats 54.7). A message is a type octet, a length (itself
included, the type not) and a body; the first one of a client has no type.
"""

import struct
from collections.abc import Iterator
from typing import Final

from services.fleetdb.records.sql import Cancel, Encryption, Frame, Startup

SSL_REQUEST: Final = 80_877_103
GSS_REQUEST: Final = 80_877_104
CANCEL_REQUEST: Final = 80_877_102
MAJOR: Final = 3

MAX_FIRST_OCTETS: Final = 10_000
"""As the server's own MAX_STARTUP_PACKET_LENGTH."""
MAX_FRAME_OCTETS: Final = 1_048_576
MIN_KEY_OCTETS: Final = 4
MAX_KEY_OCTETS: Final = 256
MAX_PASSWORD_OCTETS: Final = 8_192

PASSWORD: Final = b"p"
QUERY: Final = b"Q"
PARSE: Final = b"P"
BIND: Final = b"B"
EXECUTE: Final = b"E"
DESCRIBE: Final = b"D"
CLOSE: Final = b"C"
SYNC: Final = b"S"
FLUSH: Final = b"H"
TERMINATE: Final = b"X"
TAKEN: Final = frozenset({QUERY, PARSE, BIND, EXECUTE, DESCRIBE, CLOSE, SYNC, FLUSH, TERMINATE})
"""Not there: FunctionCall, and the three of COPY towards the server, which nobody who only reads can begin."""

BACKEND_KEY: Final = b"K"
READY: Final = b"Z"
PARSED: Final = b"1"
CLOSED: Final = b"3"
ROWS: Final = frozenset({b"D", b"d"})
"""DataRow, and CopyData: COPY sends a row in each."""
ERROR: Final = b"E"
AUTHENTICATION: Final = b"R"

_LENGTH: Final = struct.Struct("!i")
_FIRST: Final = struct.Struct("!ii")
_HEADER: Final = struct.Struct("!ci")


class ProtocolError(Exception):
    """What came is not of the protocol, or longer than is taken; the text goes to the client."""


def first_length(header: bytes) -> int:
    """How many octets follow the four of the first message's length.

    Raises:
        ProtocolError: It has no length that a first message can have.
    """
    (length,) = _LENGTH.unpack(header)
    if not _FIRST.size <= length <= MAX_FIRST_OCTETS:
        raise ProtocolError("this is no PostgreSQL client")
    return int(length) - _LENGTH.size


def parse_first(body: bytes) -> Encryption | Cancel | Startup:
    """The first message, without its length.

    Raises:
        ProtocolError: It is none.
    """
    (code,) = _LENGTH.unpack_from(body)
    rest = body[_LENGTH.size :]
    if code == SSL_REQUEST:
        return Encryption.TLS
    if code == GSS_REQUEST:
        return Encryption.GSS
    if code == CANCEL_REQUEST:
        return _cancel(rest)
    if code >> 16 != MAJOR:
        raise ProtocolError("only version 3 of PostgreSQL's protocol is spoken here")
    return _startup(rest, code & 0xFFFF)


def _cancel(rest: bytes) -> Cancel:
    key = rest[_LENGTH.size :]
    if not MIN_KEY_OCTETS <= len(key) <= MAX_KEY_OCTETS:
        raise ProtocolError("a malformed request to cancel")
    return Cancel(_LENGTH.unpack_from(rest)[0], key)


def _startup(rest: bytes, minor: int) -> Startup:
    try:
        words = rest.decode("utf-8").split("\0")
    except UnicodeDecodeError as error:
        raise ProtocolError("the first message is not in UTF-8") from error
    # name, value, ..., an empty name, and what stands behind its NUL: nothing
    if len(words) % 2 or words[-2:] != ["", ""] or "" in words[:-2:2]:
        raise ProtocolError("the first message is malformed")
    parameters = dict(zip(words[:-2:2], words[1:-2:2], strict=True))
    user = parameters.pop("user", "")
    if not user:
        raise ProtocolError("no user is named")
    return Startup(user, parameters.pop("database", user), parameters, minor)


class Frames:
    """Cuts what comes into whole messages."""

    def __init__(self, max_octets: int = MAX_FRAME_OCTETS) -> None:
        """None may be longer than `max_octets`."""
        self._max_octets = max_octets
        self._octets = bytearray()

    def feed(self, octets: bytes) -> Iterator[Frame]:
        """Every message that is whole with `octets`; each is to be taken before more is fed.

        Raises:
            ProtocolError: One is too long, or has no length.
        """
        self._octets += octets
        while len(self._octets) >= _HEADER.size:
            tag, length = _HEADER.unpack_from(self._octets)
            if not _LENGTH.size <= length < self._max_octets:
                raise ProtocolError(f"a message may have {self._max_octets} octets")
            if len(self._octets) <= length:
                return
            whole = bytes(self._octets[: length + 1])
            del self._octets[: length + 1]
            yield Frame(tag, whole)


class Counting:
    """Counts rows in what the server sends, without keeping it: a row may be longer than any memory set aside here."""

    def __init__(self) -> None:
        """At the beginning of a message."""
        self.rows = 0
        self._header = bytearray()
        self._left = 0

    def feed(self, octets: bytes) -> list[bytes]:
        """Look at `octets`, wherever they begin and end; the types of the messages that began and are no rows."""
        begun: list[bytes] = []
        at = 0
        while at < len(octets):
            if self._left:
                step = min(self._left, len(octets) - at)
                self._left -= step
            else:
                step = min(_HEADER.size - len(self._header), len(octets) - at)
                self._header += octets[at : at + step]
                self._begin(begun)
            at += step
        return begun

    def _begin(self, begun: list[bytes]) -> None:
        if len(self._header) < _HEADER.size:
            return
        tag, length = _HEADER.unpack(self._header)
        self._header.clear()
        self._left = max(length - _LENGTH.size, 0)
        if tag in ROWS:
            self.rows += 1
        else:
            begun.append(tag)


def texts(frame: Frame, count: int) -> list[str]:
    """The first `count` texts of a message, each of which a NUL ends.

    Raises:
        ProtocolError: There are not so many, or they are not in UTF-8.
    """
    parts = frame.body.split(b"\0", count)
    if len(parts) <= count:
        raise ProtocolError("a malformed statement")
    try:
        return [part.decode("utf-8") for part in parts[:count]]
    except UnicodeDecodeError as error:
        raise ProtocolError("a statement is to be in UTF-8") from error


def password_of(frame: Frame) -> str:
    """The password of a PasswordMessage.

    Raises:
        ProtocolError: It is another message, or not text.
    """
    if frame.tag != PASSWORD or not frame.body.endswith(b"\0"):
        raise ProtocolError("a password was asked for")
    try:
        return frame.body[:-1].decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError("the password is not in UTF-8") from error


def startup(user: str, database: str, parameters: dict[str, str]) -> bytes:
    """A client's first message, as we send it on."""
    words = {"user": user, "database": database, **parameters}
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in words.items()) + b"\0"
    return _FIRST.pack(len(body) + _FIRST.size, MAJOR << 16) + body


def ssl_request() -> bytes:
    """The wish to speak TLS."""
    return _FIRST.pack(_FIRST.size, SSL_REQUEST)


def cancel(process_id: int, secret_key: bytes) -> bytes:
    """The wish that what another connection does may stop."""
    return _FIRST.pack(_FIRST.size + _LENGTH.size + len(secret_key), CANCEL_REQUEST) + (
        _LENGTH.pack(process_id) + secret_key
    )


def key_of(frame: Frame) -> Cancel:
    """What a BackendKeyData says: how to cancel what its connection does."""
    return Cancel(_LENGTH.unpack_from(frame.body)[0], frame.body[_LENGTH.size :])


def backend_key(process_id: int, secret_key: bytes) -> bytes:
    """A BackendKeyData."""
    return message(BACKEND_KEY, _LENGTH.pack(process_id) + secret_key)


def password_wanted() -> bytes:
    """AuthenticationCleartextPassword: what is inside TLS is in clear for nobody else."""
    return message(AUTHENTICATION, _LENGTH.pack(3))


def older_wanted(startup: Startup) -> bytes:
    """NegotiateProtocolVersion: 3.0 alone, and none of the extensions that the client named."""
    unknown = [name for name in startup.parameters if name.startswith("_pq_.")]
    words = b"".join(name.encode() + b"\0" for name in unknown)
    return message(b"v", _LENGTH.pack(0) + _LENGTH.pack(len(unknown)) + words)


def fatal(sqlstate: str, text: str) -> bytes:
    """An ErrorResponse with which a connection ends (54.8)."""
    fields = {"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": text}
    return message(ERROR, b"".join(f"{code}{value}\0".encode() for code, value in fields.items()) + b"\0")


def message(tag: bytes, body: bytes) -> bytes:
    """One message."""
    return _HEADER.pack(tag, len(body) + _LENGTH.size) + body
