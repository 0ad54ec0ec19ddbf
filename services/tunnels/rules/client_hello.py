"""The host that a TLS client asks for, read from its first octets. Pure.

Source: RFC 8446 sections 4.1.2, 5.1; RFC 6066 section 3.
"""

from typing import Final

from attrs import frozen

from services.tunnels.errors import RemoteProtocolError

MAX_HELLO: Final = 16_384
"""Of a ClientHello that is looked at; real ones have some 2,000 octets."""
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_RECORD_HEADER: Final = 5
_MESSAGE_HEADER: Final = 4
_MAX_RECORD: Final = 16_384
_MAX_RECORDS: Final = 32
"""In which a ClientHello may lie: each call looks at all of them again."""
_BEFORE_SESSION_ID: Final = 34
"""Version and random."""
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0


@frozen
class ClientHello:
    """What is read of it; `server_name` is in lower case, None where it names no host."""

    server_name: str | None


class _Fields:
    """Takes fields, each after its length."""

    def __init__(self, octets: bytes) -> None:
        self.rest = octets

    def take(self, count: int) -> bytes:
        if len(self.rest) < count:
            raise RemoteProtocolError("a field of the ClientHello is cut short")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets))

    def vector(self, length_octets: int) -> "_Fields":
        return _Fields(self.take(self.number(length_octets)))


def read_hello(octets: bytes) -> ClientHello | None:
    """The ClientHello with which a connection begins; None while more octets of it are to come.

    Raises:
        RemoteProtocolError: It is none, or too long.
    """
    message = _message(octets)
    if message is None:
        return None
    fields = _Fields(message)
    fields.take(_BEFORE_SESSION_ID)
    fields.vector(1)
    fields.vector(2)
    fields.vector(1)
    extensions = fields.vector(2) if fields.rest else _Fields(b"")
    while extensions.rest:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            return ClientHello(_host_of(content.vector(2)))
    return ClientHello(None)


def _message(octets: bytes) -> bytes | None:
    """The body of the first handshake message, which may lie in several records."""
    found = b""
    for _ in range(_MAX_RECORDS):
        if len(octets) < _RECORD_HEADER:
            break
        length = int.from_bytes(octets[3:5])
        if octets[0] != _HANDSHAKE or octets[1] != 3 or not 0 < length <= _MAX_RECORD:  # noqa: PLR2004 - of TLS
            raise RemoteProtocolError("no TLS")
        found += octets[_RECORD_HEADER : _RECORD_HEADER + length]
        octets = octets[_RECORD_HEADER + length :]
        if len(found) < _MESSAGE_HEADER:
            continue
        wanted = _MESSAGE_HEADER + int.from_bytes(found[1:_MESSAGE_HEADER])
        if found[0] != _CLIENT_HELLO or wanted > MAX_HELLO:
            raise RemoteProtocolError("no ClientHello, or one that is too long")
        if len(found) >= wanted:
            return found[_MESSAGE_HEADER:wanted]
    else:
        raise RemoteProtocolError("a ClientHello in too many records")
    if octets and octets[0] != _HANDSHAKE:
        raise RemoteProtocolError("no TLS")
    return None


def _host_of(names: _Fields) -> str | None:
    while names.rest:
        kind, name = names.number(1), names.vector(2).rest
        if kind == _HOST_NAME:
            return name.decode("ascii", "replace").lower()
    return None
