"""A router that does what a test tells it to, over TLS: WAMP as JSON lists, everything that came in is kept."""

import base64
import hmac
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from attrs import define, field
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.protocols.tls import TLSMemoryBIOFactory

from shared.tls import server_options

HELLO, WELCOME, ABORT, CHALLENGE, AUTHENTICATE, GOODBYE, ERROR = 1, 2, 3, 4, 5, 6, 8
SUBSCRIBE, SUBSCRIBED, CALL, RESULT, REGISTER, REGISTERED, INVOCATION, YIELD = 32, 33, 48, 50, 64, 65, 68, 70


class RefusedError(Exception):
    """What a procedure of a test raises to answer with a WAMP error."""

    def __init__(self, uri: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.uri, self.message, self.details = uri, message, details


Procedure = Callable[..., Any]


@define(eq=False)
class Script:
    """How the router behaves, and what it saw. A procedure that answers None with `never` in it never answers."""

    secrets: dict[str, str] = field(factory=dict)
    tickets: dict[str, str] = field(factory=dict)
    procedures: dict[str, Procedure] = field(factory=dict)
    refuses: dict[str, RefusedError] = field(factory=dict)
    abort_hello: tuple[str, str] | None = None
    abort_authenticate: tuple[str, str] = ("wamp.error.authentication_failed", "authentication failed")
    answers_pings: bool = True
    chooses: str = "wamp.2.json"
    headers: list[dict[str, str]] = field(factory=list)
    offered: list[list[str]] = field(factory=list)
    sessions: list["FakeSession"] = field(factory=list)
    pings: list[bytes] = field(factory=list)

    @property
    def session(self) -> "FakeSession":
        """The newest one."""
        return self.sessions[-1]


class FakeSession(WebSocketServerProtocol):
    """One connection."""

    _session_ids = count(1001)

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script
        self.received: list[list[Any]] = []
        self.uris: dict[str, int] = {}
        self.session_id = next(self._session_ids)
        self.pongs: list[bytes] = []
        self.has_ended = False
        self._numbers = count(1)
        self._answers: dict[int, Deferred[list[Any]]] = {}
        self._authid = ""

    def onConnect(self, request: Any) -> str:
        self.script.headers.append(dict(request.headers))
        self.script.offered.append(list(request.protocols))
        self.script.sessions.append(self)
        return self.script.chooses

    def onPing(self, payload: bytes) -> None:
        self.script.pings.append(payload)
        if self.script.answers_pings:
            self.sendPong(payload)

    def onPong(self, payload: bytes) -> None:
        self.pongs.append(payload)

    def onClose(self, wasClean: bool, code: Any, reason: Any) -> None:
        self.has_ended = True

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        message = json.loads(payload)
        self.received.append(message)
        getattr(self, f"_on_{message[0]}", lambda _message: None)(message)

    def tell(self, *message: Any) -> None:
        self.sendMessage(json.dumps(message).encode())

    async def invoke(self, uri: str, args: Any = None, kwargs: Any = None, *, caller: Any = "7") -> list[Any]:
        """Call a procedure of this session; the answer is its YIELD or ERROR."""
        number = next(self._numbers)
        self._answers[number] = Deferred()
        payload = [] if args is None else [args] if kwargs is None else [args, kwargs]
        self.tell(INVOCATION, number, self.uris[uri], {"caller_authid": caller}, *payload)
        return await self._answers[number]

    def _on_1(self, message: list[Any]) -> None:
        if self.script.abort_hello is not None:
            self._abort(self.script.abort_hello)
            return
        self._authid = message[2].get("authid", "")
        method = message[2]["authmethods"][0]
        self.tell(CHALLENGE, method, {"challenge": f"challenge-{self.session_id}"} if method == "wampcra" else {})

    def _on_5(self, message: list[Any]) -> None:
        secret = self.script.secrets.get(self._authid)
        wanted = (
            secret
            and base64.b64encode(
                hmac.digest(secret.encode(), f"challenge-{self.session_id}".encode(), "sha256")
            ).decode()
        )
        if message[1] not in (wanted, *self.script.tickets):
            self._abort(self.script.abort_authenticate)
            return
        roles = {"broker": {"features": {}}, "dealer": {"features": {"progressive_call_results": True}}}
        details = {"roles": roles, "realm": "realm1", "authid": "7", "authrole": "user", "authmethod": "ticket"}
        self.tell(WELCOME, self.session_id, details)

    def _abort(self, reason: tuple[str, str]) -> None:
        self.tell(ABORT, {"message": reason[1]}, reason[0])

    def reset(self) -> None:
        """End the connection as a machine that vanishes."""
        tcp: Any = self.transport
        tcp.abortConnection()

    def _on_6(self, message: list[Any]) -> None:
        self.tell(GOODBYE, {}, "wamp.close.goodbye_and_out")
        self.sendClose()

    def _on_32(self, message: list[Any]) -> None:
        self._answer(SUBSCRIBE, message[1], message[3], lambda: self.tell(SUBSCRIBED, message[1], message[1]))

    def _on_64(self, message: list[Any]) -> None:
        def registered() -> None:
            self.uris[message[3]] = message[1] + 5000
            self.tell(REGISTERED, message[1], message[1] + 5000)

        self._answer(REGISTER, message[1], message[3], registered)

    def _on_48(self, message: list[Any]) -> None:
        uri, args = message[3], message[4] if len(message) > 4 else []
        kwargs = message[5] if len(message) > 5 else {}

        def called() -> None:
            if uri not in self.script.procedures:
                raise RefusedError("wamp.error.no_such_procedure", f"no procedure {uri}")
            found = self.script.procedures[uri](*args, **kwargs)
            if isinstance(found, Progressive):
                for each in found.answers:
                    self.tell(RESULT, message[1], {"progress": True}, [each])
                if found.ends:
                    self.tell(RESULT, message[1], {}, [None])
            elif found is not Never:
                self.tell(RESULT, message[1], {}, [found])

        self._answer(CALL, message[1], uri, called)

    def _on_70(self, message: list[Any]) -> None:
        self._answers.pop(message[1]).callback(message)

    def _on_8(self, message: list[Any]) -> None:
        self._answers.pop(message[2]).callback(message)

    def _answer(self, kind: int, number: int, uri: str, act: Callable[[], None]) -> None:
        try:
            if uri in self.script.refuses:
                raise self.script.refuses[uri]
            act()
        except RefusedError as error:
            details = {"code": error.uri.rpartition(".")[2], "message": error.message, **error.details}
            self.tell(ERROR, kind, number, {}, error.uri, [error.message], details)


class Never:
    """Returned by a procedure that never answers."""


@define
class Progressive:
    """Returned by a procedure that answers progressively; it does not end unless it is told to."""

    answers: list[Any]
    ends: bool = False


class FakeRouter:
    """A listener on a port of its own."""

    def __init__(self, reactor: Any, certificate: Path, key: Path) -> None:
        self.script = Script()
        self._reactor = reactor
        factory: Any = WebSocketServerFactory(protocols=["wamp.2.json", "wamp.2.cbor", "wamp.2.msgpack"])
        factory.protocol = lambda: FakeSession(self.script)
        factory.setProtocolOptions(failByDrop=False, closeHandshakeTimeout=1)
        self._factory = TLSMemoryBIOFactory(server_options(certificate, key), isClient=False, wrappedFactory=factory)
        self._port: Any = None
        self.port = 0

    def listen(self) -> None:
        self._port = self._reactor.listenTCP(self.port, self._factory, interface="127.0.0.1")
        self.port = self._port.getHost().port

    async def close(self) -> None:
        """Stop listening and reset all connections, as a router that is killed."""
        if self._port is not None:
            await self._port.stopListening()
            self._port = None
        for session in self.script.sessions:
            if not session.has_ended:
                session.reset()

    async def until(self, condition: Callable[[], object], timeout_s: float = 20.0) -> None:
        """Wait for `condition`."""
        clock: Any = self._reactor
        deadline = clock.seconds() + timeout_s
        while not condition():
            assert clock.seconds() < deadline, "the condition did not come true"
            await deferLater(clock, 0.01)
