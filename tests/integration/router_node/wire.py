"""A WAMP client on bare sockets: TLS, HTTP, WebSocket frames and JSON by hand, to do also what no library would.

Message numbers are those of the WAMP specification, section 6.5.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import os
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Self

HELLO, WELCOME, ABORT, CHALLENGE, AUTHENTICATE, GOODBYE, ERROR = 1, 2, 3, 4, 5, 6, 8
PUBLISH, PUBLISHED, SUBSCRIBE, SUBSCRIBED, UNSUBSCRIBE, UNSUBSCRIBED, EVENT = 16, 17, 32, 33, 34, 35, 36
CALL, RESULT, REGISTER, REGISTERED, UNREGISTER, UNREGISTERED = 48, 50, 64, 65, 66, 67
INVOCATION, INTERRUPT, YIELD = 68, 69, 70
ANSWERS = {
    RESULT: CALL,
    REGISTERED: REGISTER,
    UNREGISTERED: UNREGISTER,
    SUBSCRIBED: SUBSCRIBE,
    UNSUBSCRIBED: UNSUBSCRIBE,
    PUBLISHED: PUBLISH,
}

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
ROLES: dict[str, Any] = {
    "caller": {"features": {}},
    "callee": {"features": {}},
    "publisher": {"features": {}},
    "subscriber": {"features": {}},
}
TIMEOUT_S = 10.0


class WampError(Exception):
    """An ERROR answered one of our requests."""

    def __init__(self, uri: str, args: list[Any], more: dict[str, Any] | None = None) -> None:
        """As the ERROR says; `more` are its arguments by name."""
        super().__init__(uri, args)
        self.uri = uri
        self.details = args
        self.more = more or {}


class AbortedError(Exception):
    """An ABORT ended the attempt to join."""

    def __init__(self, reason: str, message: str | None) -> None:
        """As the ABORT says."""
        super().__init__(reason, message)
        self.reason = reason
        self.message = message


class ClosedError(Exception):
    """The connection is gone."""


def sign(secret: str, challenge: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), challenge.encode(), hashlib.sha256).digest()).decode()


def _ignore(_: list[Any]) -> None:
    """Take an event for which there is no listener."""


Endpoint = Callable[..., Any] | Callable[..., Awaitable[Any]]


class Peer:
    """One connection, and the session on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Over a connection whose WebSocket stands."""
        self._reader = reader
        self._writer = writer
        self._requests = itertools.count(1)
        self._pending: dict[tuple[int, int], asyncio.Future[list[Any]]] = {}
        self._endpoints: dict[int, Endpoint] = {}
        self._listeners: dict[int, Callable[[list[Any]], Any]] = {}
        self._task: asyncio.Task[None] | None = None
        self.answers_pings = True
        self.details: dict[str, Any] = {}
        self.session = 0
        self.goodbye: list[Any] | None = None
        self.kicked: list[list[Any]] = []
        self.interrupted: list[int] = []
        self.closed = asyncio.Event()
        self._goodbye_heard = asyncio.Event()

    @classmethod
    async def connect(cls, port: int, path: str, tls: ssl.SSLContext, *, source: str | None = None) -> Self:
        """Open a connection up to its WebSocket; `source` is the address to come from."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls, server_hostname="localhost", local_addr=(source, 0) if source else None
        )
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: wamp.2.json, wamp.2.cbor, wamp.2.msgpack\r\n\r\n".encode()
        )
        peer = cls(reader, writer)
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_S)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
            await peer.drop()
            raise ClosedError from error
        if b" 101 " not in head.split(b"\r\n")[0] or b"wamp.2.json" not in head:
            await peer.drop()
            raise ClosedError(head)
        return peer

    async def __aenter__(self) -> Self:
        """As it is."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the socket."""
        await self.drop()

    async def drop(self) -> None:
        """Close the socket without a word of WAMP or WebSocket."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._writer.transport.abort()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)
        self.closed.set()

    def stop_reading(self) -> None:
        """Take nothing more from the socket, like a client that hangs."""
        assert self._task is not None
        self._task.cancel()
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    # frames

    def send_frame(self, opcode: int, payload: bytes) -> None:
        """One masked WebSocket frame."""
        mask = os.urandom(4)
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | length)
        elif length < 1 << 16:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, length)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, length)
        key = int.from_bytes(mask * (length // 4 + 1), "big") >> (8 * (4 - length % 4))
        masked = (int.from_bytes(payload, "big") ^ key).to_bytes(length, "big") if length else b""
        self._writer.write(head + mask + masked)

    async def send_slowly(self, message: list[Any], seconds: float) -> None:
        """One WAMP message over so many seconds, as over a slow link: what is said meanwhile waits behind it."""
        payload = json.dumps(message).encode()
        held: list[tuple[int, bytes]] = []
        self.send_frame = lambda opcode, payload: held.append((opcode, payload))
        self._writer.write(struct.pack("!BBQ", 0x80 | TEXT, 0x80 | 127, len(payload)) + bytes(4))  # masked by zeros
        pieces = 10 * round(seconds)
        for at in range(pieces):
            self._writer.write(payload[len(payload) * at // pieces : len(payload) * (at + 1) // pieces])
            await self._writer.drain()
            await asyncio.sleep(seconds / pieces)
        del self.send_frame
        for frame in held:
            self.send_frame(*frame)

    async def _frame(self) -> tuple[int, bytes]:
        try:
            first, second = await self._reader.readexactly(2)
            length = second & 0x7F
            if length == 126:
                length = int.from_bytes(await self._reader.readexactly(2), "big")
            elif length == 127:
                length = int.from_bytes(await self._reader.readexactly(8), "big")
            return first & 0x0F, await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError) as error:
            raise ClosedError from error

    def send(self, *message: Any) -> None:
        """One WAMP message."""
        self.send_frame(TEXT, json.dumps(message).encode())

    async def receive(self) -> list[Any]:
        """The next WAMP message; pings are answered meanwhile."""
        while True:
            opcode, payload = await self._frame()
            if opcode == PING and self.answers_pings:
                self.send_frame(PONG, payload)
            elif opcode == CLOSE:
                raise ClosedError(payload)
            elif opcode in (TEXT, BINARY):
                message: list[Any] = json.loads(payload)
                return message

    # joining

    async def hello(self, realm: str, authid: str | None, methods: list[str], **more: Any) -> list[Any]:
        """Send HELLO and return what answers it."""
        details = {"roles": ROLES, "authmethods": methods, **more}
        if authid is not None:
            details["authid"] = authid
        self.send(HELLO, realm, details)
        return await asyncio.wait_for(self.receive(), TIMEOUT_S)

    async def join_cra(self, realm: str, authid: str, secret: str) -> Self:
        """Join with a secret."""
        answer = await self.hello(realm, authid, ["wampcra"])
        if answer[0] == CHALLENGE:
            answer = await self.authenticate(sign(secret, answer[2]["challenge"]))
        return self._joined(answer)

    async def join_ticket(self, ticket: str, realm: str = "realm1", authid: str | None = None) -> Self:
        """Join with a ticket."""
        answer = await self.hello(realm, authid, ["ticket"])
        if answer[0] == CHALLENGE:
            answer = await self.authenticate(ticket)
        return self._joined(answer)

    async def authenticate(self, signature: str) -> list[Any]:
        """Send AUTHENTICATE and return what answers it."""
        self.send(AUTHENTICATE, signature, {})
        return await asyncio.wait_for(self.receive(), TIMEOUT_S)

    def _joined(self, answer: list[Any]) -> Self:
        if answer[0] == ABORT:
            raise AbortedError(answer[2], answer[1].get("message"))
        assert answer[0] == WELCOME, answer
        self.session, self.details = answer[1], answer[2]
        self._task = asyncio.create_task(self._serve())
        return self

    # the joined session

    async def call(self, uri: str, *args: Any, options: dict[str, Any] | None = None, **kwargs: Any) -> Any:
        """Call and return the first positional result."""
        answer = await self._ask(CALL, options or {}, uri, list(args), kwargs)
        return answer[3][0] if len(answer) > 3 and answer[3] else None

    async def register(self, uri: str, endpoint: Endpoint, **options: Any) -> int:
        """Register `endpoint`, which gets the details as a keyword."""
        answer = await self._ask(REGISTER, options, uri)
        self._endpoints[answer[2]] = endpoint
        return int(answer[2])

    async def unregister(self, registration: int) -> None:
        """Unregister."""
        await self._ask(UNREGISTER, registration)

    async def subscribe(self, uri: str, listener: Callable[[list[Any]], Any], **options: Any) -> int:
        """Subscribe; `listener` gets the whole EVENT."""
        answer = await self._ask(SUBSCRIBE, options, uri)
        self._listeners[answer[2]] = listener
        return int(answer[2])

    async def unsubscribe(self, subscription: int) -> None:
        """Unsubscribe."""
        await self._ask(UNSUBSCRIBE, subscription)

    async def publish(self, uri: str, *args: Any, options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Publish and wait for the acknowledgement."""
        await self._ask(PUBLISH, {"acknowledge": True, **(options or {})}, uri, list(args), kwargs)

    async def leave(self) -> None:
        """Say goodbye, hear it, and close."""
        self.send(GOODBYE, {}, "wamp.close.normal")
        await asyncio.wait_for(self._goodbye_heard.wait(), TIMEOUT_S)
        await self.drop()

    async def _ask(self, kind: int, *rest: Any) -> list[Any]:
        if self.closed.is_set():
            raise ClosedError
        request = next(self._requests)
        future = self._pending[kind, request] = asyncio.get_running_loop().create_future()
        self.send(kind, request, *rest)
        return await asyncio.wait_for(future, TIMEOUT_S)

    async def _serve(self) -> None:
        try:
            while True:
                await self._take(await self.receive())
        except ClosedError:
            pass
        finally:
            self.closed.set()
            for future in self._pending.values():
                if not future.done():
                    future.set_exception(ClosedError())
                    future.exception()

    async def _take(self, message: list[Any]) -> None:
        kind = message[0]
        if kind == ERROR:
            self._settle((message[1], message[2]), WampError(*message[4:5], *([*message[5:], []][:1]), *message[6:7]))
        elif kind == UNREGISTERED and message[1] == 0:
            self.kicked.append(message)
        elif kind in ANSWERS:
            self._settle((ANSWERS[kind], message[1]), message)
        elif kind == EVENT:
            self._listeners.get(message[1], _ignore)(message)
        elif kind == INVOCATION:
            await self._invoke(message)
        elif kind == INTERRUPT:
            self.interrupted.append(message[1])
        elif kind == GOODBYE:
            self._say_goodbye(message)

    def _settle(self, request: tuple[int, int], answer: list[Any] | WampError) -> None:
        future = self._pending.pop(request, None)
        if future is None or future.done():
            return
        if isinstance(answer, WampError):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    def _say_goodbye(self, message: list[Any]) -> None:
        self.goodbye = message
        if message[2] != "wamp.close.normal":
            self.send(GOODBYE, {}, "wamp.close.goodbye_and_out")
        self._goodbye_heard.set()

    async def _invoke(self, message: list[Any]) -> None:
        endpoint = self._endpoints.get(message[2])
        args = message[4] if len(message) > 4 else []
        kwargs = message[5] if len(message) > 5 else {}
        if endpoint is None:
            self.send(ERROR, INVOCATION, message[1], {}, "wamp.error.no_such_procedure")
            return
        try:
            result = endpoint(*args, details={**message[3], "request": message[1]}, **kwargs)
            if asyncio.iscoroutine(result):
                result = await result
        except WampError as error:
            self.send(ERROR, INVOCATION, message[1], {}, error.uri, error.details)
            return
        self.send(YIELD, message[1], {}, [result])
