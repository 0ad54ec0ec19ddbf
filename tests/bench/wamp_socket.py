"""A lean WAMP client: WebSocket frames, CBOR and TLS by hand, so that the router and not its client is measured.

Octets are taken and given in batches, without an event loop in between; the mask of its frames is zero, which RFC 6455
permits on the wire and which costs nothing. Every socket answers pings whenever it is looked at: Crossbar cuts one that
has not answered for 3.5 s.
"""

import base64
import hashlib
import hmac
import itertools
import select
import socket
import ssl
import struct
import time
from types import TracebackType
from typing import Any, Final, Self

import cbor2
from attrs import frozen

HELLO, WELCOME, ABORT, CHALLENGE, AUTHENTICATE, ERROR = 1, 2, 3, 4, 5, 8
PUBLISH, PUBLISHED, CALL, RESULT, REGISTER, REGISTERED, INVOCATION, YIELD = 16, 17, 48, 50, 64, 65, 68, 70
"""WAMP specification, section "Message Codes and Direction"."""
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
"""RFC 6455, section 5.2."""
ROLES: Final[dict[str, Any]] = {name: {"features": {}} for name in ("caller", "callee", "publisher", "subscriber")}
TIMEOUT_S: Final = 15.0
RECEIVE_OCTETS: Final = 256 * 1024
MASKED: Final = 0x80
LENGTH_16, LENGTH_64 = 126, 127


class ClosedError(Exception):
    """The connection is gone, or was never made."""


class RefusedError(Exception):
    """The router or a callee refused; the arguments are its message."""


@frozen
class Address:
    """Where a listener is on this machine, and what it must prove."""

    port: int
    path: str
    tls: ssl.SSLContext


class WampSocket:
    """One connection and the session on it; not to be used by two threads at once."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        """Made by `connect`."""
        self._socket = connection
        self._in = bytearray()
        self._out = bytearray()
        self._inbox: list[list[Any]] = []
        self._requests = itertools.count(1)
        self.authrole = ""

    @classmethod
    def connect(cls, address: Address) -> Self:
        """TCP, TLS and the HTTP upgrade.

        Raises:
            ClosedError: One of them failed.
        """
        try:
            plain = socket.create_connection(("127.0.0.1", address.port), TIMEOUT_S)
        except OSError as error:
            raise ClosedError from error
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            made = cls(address.tls.wrap_socket(plain, server_hostname="localhost"))
        except OSError as error:
            plain.close()
            raise ClosedError from error
        try:
            made._upgrade(address)
        except BaseException:
            made.close()
            raise
        return made

    def __enter__(self) -> Self:
        """The socket."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def close(self) -> None:
        """End the connection without a word."""
        self._socket.close()

    def join(self, realm: str, authid: str, secret: str) -> Self:
        """Join by WAMP-CRA.

        Raises:
            RefusedError: The router refused.
        """
        self.send(HELLO, realm, {"roles": ROLES, "authmethods": ["wampcra"], "authid": authid})
        challenge = self._expect(CHALLENGE)[2]["challenge"]
        signature = hmac.digest(secret.encode(), challenge.encode(), hashlib.sha256)
        return self._prove(base64.b64encode(signature).decode())

    def join_by_ticket(self, realm: str, ticket: str) -> Self:
        """Join by WAMP-ticket; refusals as with `join`."""
        self.send(HELLO, realm, {"roles": ROLES, "authmethods": ["ticket"]})
        self._expect(CHALLENGE)
        return self._prove(ticket)

    def request(self, kind: int, options: dict[str, Any], *rest: Any) -> list[Any]:
        """Send one request and wait for its reply, which is the next message.

        Raises:
            RefusedError: It was refused.
        """
        self.send(kind, next(self._requests), options, *rest)
        reply = self.receive()
        if reply[0] == ERROR:
            raise RefusedError(*reply)
        return reply

    def call(self, procedure: str, **arguments: Any) -> Any:
        """The one result of `procedure`."""
        return self.request(CALL, {}, procedure, [], arguments)[3][0]

    def next_request(self) -> int:
        """The number of the next request, for those who send it themselves."""
        return next(self._requests)

    def send(self, *message: Any) -> None:
        """Send one message now."""
        self.queue(*message)
        self.flush()

    def queue(self, *message: Any) -> None:
        """Send one message with the next `flush`."""
        self._frame(BINARY, cbor2.dumps(message))

    def flush(self) -> None:
        """Send what is queued."""
        octets, self._out = self._out, bytearray()
        at = 0
        while at < len(octets):
            try:
                at += self._socket.send(octets[at:] if at else octets)
            except ssl.SSLWantWriteError:
                select.select([], [self], [], TIMEOUT_S)
            except OSError as error:
                raise ClosedError from error

    def take(self) -> list[list[Any]]:
        """The messages that have come, without waiting for one."""
        while True:
            try:
                octets = self._socket.recv(RECEIVE_OCTETS)
            except ssl.SSLWantReadError:
                break
            except OSError as error:
                raise ClosedError from error
            if not octets:
                raise ClosedError
            self._in += octets
        self._read_frames()
        if self._out:
            self.flush()
        messages, self._inbox = self._inbox, []
        return messages

    def receive(self, timeout_s: float = TIMEOUT_S) -> list[Any]:
        """The next message; for conversations with one message under way at a time.

        Raises:
            ClosedError: None came in time, or the connection ended.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            messages = self.take()
            if messages:
                self._inbox = messages[1:]
                return messages[0]
            self._wait(deadline)

    def _upgrade(self, address: Address) -> None:
        self._socket.settimeout(0)
        self._out += (
            f"GET {address.path} HTTP/1.1\r\nHost: localhost:{address.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: wamp.2.cbor\r\n\r\n"
        ).encode()
        self.flush()
        deadline = time.monotonic() + TIMEOUT_S
        while b"\r\n\r\n" not in self._in:
            self._wait(deadline)
            try:
                octets = self._socket.recv(RECEIVE_OCTETS)
            except ssl.SSLWantReadError:
                continue
            except OSError as error:
                raise ClosedError from error
            if not octets:
                raise ClosedError
            self._in += octets
        head, _, rest = bytes(self._in).partition(b"\r\n\r\n")
        if b" 101 " not in head or b"wamp.2.cbor" not in head:
            raise ClosedError(head)
        self._in = bytearray(rest)

    def _wait(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        poll = select.poll()
        poll.register(self, select.POLLIN)
        if left <= 0 or not poll.poll(left * 1000):
            raise ClosedError("nothing came in time")

    def _prove(self, signature: str) -> Self:
        self.send(AUTHENTICATE, signature, {})
        self.authrole = self._expect(WELCOME)[2]["authrole"]
        return self

    def _expect(self, kind: int) -> list[Any]:
        message = self.receive()
        if message[0] != kind:
            raise RefusedError(*message)
        return message

    def _frame(self, opcode: int, payload: bytes) -> None:
        length = len(payload)
        if length < LENGTH_16:
            self._out += struct.pack("!BBI", 0x80 | opcode, MASKED | length, 0)
        elif length < 1 << 16:
            self._out += struct.pack("!BBHI", 0x80 | opcode, MASKED | LENGTH_16, length, 0)
        else:
            self._out += struct.pack("!BBQI", 0x80 | opcode, MASKED | LENGTH_64, length, 0)
        self._out += payload

    def _read_frames(self) -> None:
        octets, at = bytes(self._in), 0
        while (frame := _frame_at(octets, at)) is not None:
            opcode, begin, at = frame
            if opcode == BINARY:
                self._inbox.append(cbor2.loads(octets[begin:at]))
            elif opcode == PING:
                self._frame(PONG, octets[begin:at])
            elif opcode == CLOSE:
                raise ClosedError(octets[begin:at])
        del self._in[:at]


def _frame_at(octets: bytes, at: int) -> tuple[int, int, int] | None:
    """Opcode, begin and end of the payload of the frame at `at`, or None where it is not complete."""
    begin = at + 2
    if len(octets) < begin:
        return None
    length = octets[at + 1]
    if length >= LENGTH_16:
        width = 2 if length == LENGTH_16 else 8
        length = int.from_bytes(octets[begin : begin + width], "big")
        begin += width
    end = begin + length
    return (octets[at] & 0x0F, begin, end) if len(octets) >= end else None
