"""Every name of Crossbar, autobahn and Twisted that the router leans on and that is not promised to stay.

Run as a program of its own, because Crossbar's session module brings a reactor with it: prints one JSON object of
`{check: null or what is wrong}`. `test_private_names.py` makes a test of each.
"""

import inspect
import json
import re
from collections.abc import Callable
from typing import Any

import crossbar
from autobahn import util as autobahn_util
from autobahn.wamp import message
from autobahn.wamp.types import Accept, Deny
from crossbar import _util as crossbar_util
from crossbar.router import session as sessions
from crossbar.router.broker import Broker
from crossbar.router.dealer import Dealer, InvocationRequest
from crossbar.router.protocol import WampWebSocketServerFactory
from crossbar.router.role import RouterRole
from crossbar.router.router import Router, RouterFactory
from crossbar.router.service import RouterServiceAgent
from twisted.internet import reactor
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.protocols import tls
from typing_extensions import override

from ironflock_router import websocket
from ironflock_router.authentication.doors import Door
from ironflock_router.realms import Realm, Realms
from shared.uncoloured import uncolour

CHECKS: dict[str, Callable[[], None]] = {}


def check(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def add(function: Callable[[], None]) -> Callable[[], None]:
        CHECKS[name] = function
        return function

    return add


def router() -> Router:
    factory = RouterFactory("node", "worker", None)
    bare: Any = Realm("realm1", {"name": "realm1", "roles": []})
    return factory.start_realm(bare)


@check("the version is the one that the design was tried on")
def _version() -> None:
    assert crossbar.__version__ == "26.10.1", crossbar.__version__


@check("Router.add_role replaces by uri, and authorize asks _roles[authrole] with (session, uri, action, options)")
def _roles() -> None:
    asked: list[Any] = []

    class Recorder(RouterRole):
        @override
        def authorize(self, session: Any, uri: str, action: str, options: Any) -> dict[str, bool]:
            assert session is asking
            asked.append((uri, action, options))
            return {"allow": True, "disclose": True, "cache": False}

    class Session:
        _realm, _authrole, _session_id, _authid = "realm1", "device", 1, "1-1"

    realm = router()
    asking: Any = Session()
    realm.add_role(Recorder(realm, "device"))
    realm.authorize(asking, "a.b", "call", {"x": 1})
    realm.authorize(asking, "a.b", "call", {"x": 2})
    assert asked == [("a.b", "call", {"x": 1}), ("a.b", "call", {"x": 2})]


@check("Router has _broker, _dealer, _authrole_to_sessions, _session_id_to_session")
def _router_names() -> None:
    realm = router()
    assert isinstance(realm._broker, Broker)
    assert isinstance(realm._dealer, Dealer)
    assert realm._authrole_to_sessions == {}
    assert realm._session_id_to_session == {}


@check("Dealer has _registration_map, _session_to_registrations, _invocations with .callee")
def _dealer() -> None:
    dealer = router()._dealer
    assert dealer._registration_map._observation_id_to_observation == {}
    assert dealer._registration_map.best_matching_observation("a.b") is None
    assert dealer._session_to_registrations == {}
    assert dealer._invocations == {}
    assert "callee" in InvocationRequest.__slots__


@check("Broker has _subscription_map and _session_to_subscriptions")
def _broker() -> None:
    broker = router()._broker
    assert broker._subscription_map._observation_id_to_observation == {}
    assert broker._session_to_subscriptions == {}


@check("meta events are published through the service agent's method publish, looked up at each event")
def _service_agent() -> None:
    assert "publish" in vars(RouterServiceAgent)
    for part in (Broker, Dealer):
        source = inspect.getsource(part)
        assert "service_session = self._router._realm.session" in source
        assert "service_session.publish(" in source


@check("an event's eligible list filters its receivers, and an empty list does not")
def _eligible() -> None:
    source = inspect.getsource(Broker._filter_publish_receivers)
    assert "if publish.eligible:" in source


@check("Crossbar still tells of a registration before it denies it, and takes an invocation's error from anybody")
def _still_needed() -> None:
    source = inspect.getsource(Dealer.processInvocationError)
    assert "invocation_request.callee is not session" not in source, "mended: messages.violation may go"


@check("a RESULT or EVENT that the receiver's transport refuses ends nobody's session; of a RESULT an ERROR comes next")
def _too_long() -> None:
    source = inspect.getsource(Dealer.processYield)
    refused = source[source.index("except PayloadExceededError") :]
    assert refused.index("call_complete = True") < refused.index("reply = message.Error(")
    assert refused.index("reply = message.Error(") < refused.index(
        "self._router.send(invocation_request.caller, reply)"
    )
    broker = inspect.getsource(Broker)
    assert broker.count("self._router.send(receiver, ") == broker.count("except PayloadExceededError")


@check("RouterSession has the attributes that PlatformSession reads")
def _session() -> None:
    session = sessions.RouterSession(RouterFactory("node", "worker", None))
    assert session._testaments == {"destroyed": [], "detached": []}
    assert session._goodbye_sent is False
    assert session._transport is None
    assert session._router is None
    source = inspect.getsource(sessions.RouterSession)
    for name in ("_session_id", "_pending_session_id", "_service_session", "_session_details"):
        assert f"self.{name} = " in source, name


@check(
    "RouterSession calls onHello(realm, details) and onAuthenticate(signature, extra) and takes Accept, Challenge, Deny"
)
def _handshake() -> None:
    source = inspect.getsource(sessions.RouterSession.onMessage)
    assert "txaio.as_future(self.onHello, msg.realm, details)" in source
    assert "txaio.as_future(self.onAuthenticate, msg.signature, {})" in source
    assert source.count("if self._transport is None:") == 2
    assert Deny("a", "b").message == "b"
    accepted = Accept(realm="r", authid="a", authrole="o", authmethod="m", authprovider="p", authextra={})
    assert accepted.authextra == {}


@check("a GOODBYE from the peer detaches the session in the same turn")
def _goodbye() -> None:
    source = inspect.getsource(sessions.RouterSession.onMessage)
    goodbye = source[source.index("elif isinstance(msg, message.Goodbye)") :]
    assert goodbye.index("self._router.detach(self)") < goodbye.index("self.onLeave(")


@check("testaments are processed inside onLeave")
def _testaments() -> None:
    assert 'self._testaments["destroyed"]' in inspect.getsource(sessions.RouterSession.onLeave)


@check("RouterSessionFactory keeps its router factory as _routerFactory")
def _session_factory() -> None:
    factory = RouterFactory("node", "worker", None)
    assert sessions.RouterSessionFactory(factory)._routerFactory is factory


@check("a realm is started in one turn with Crossbar's own session in it, answers its meta API, ends, and starts anew")
def _realms() -> None:
    realms, clock = Realms(), Clock()
    for _ in range(2):
        started = realms.start("x")
        assert realms.start("x") is started
        there: list[Any] = list(started._session_id_to_session.values())
        assert there == [realms.own_session("x")]
        assert realms.is_registered("wamp.session.count", "x")
        assert not realms.is_registered("wamp.session.counts", "x")
        ending = Deferred.fromCoroutine(realms.stop("x", clock))
        assert not realms.has("x")
        clock.pump([0] * 5)
        assert ending.called
        assert realms.factory._routers == {}
        assert realms._embedded._app_sessions == {}


@check("a router reads of its realm what our Realm has")
def _realm_names() -> None:
    for part in (Broker, Dealer, Router, sessions):
        read = set(re.findall(r"_realm[.](?!upper|lower)([a-z_]+)", inspect.getsource(part)))
        assert read <= {"id", "config", "session"}, (part, read)
    router_source = inspect.getsource(Router.__init__)
    assert set(re.findall(r"\brealm[.]([a-z_]+)", router_source)) <= {"config"}
    assert router()._store is None


@check("Crossbar still removes a router twice when a realm is stopped")
def _realm_stop() -> None:
    factory = RouterFactory("node", "worker", None)
    bare: Any = Realm("x", {"name": "x", "roles": []})
    realm = factory.start_realm(bare)
    factory.on_last_detach(realm)
    assert "x" not in factory._routers
    source = inspect.getsource(RouterFactory.stop_realm)
    assert source.index("router.detach()") < source.index("del self._routers[realm]"), (
        "mended: realms.py may end a realm by it"
    )


@check("an embedded session that is removed leaves its router in the next turn, the last one with the router")
def _realm_last_session() -> None:
    assert "._session.disconnect()" in inspect.getsource(sessions.RouterSessionFactory.remove)
    assert "reactor.callLater(0, detach, self._session)" in inspect.getsource(sessions.RouterApplicationSession.close)
    assert "self._factory.on_last_detach(self)" in inspect.getsource(Router._detach)


@check("a session publishes its figures on closing only where it has a _service_session")
def _session_figures() -> None:
    source = inspect.getsource(sessions.RouterSession.onClose)
    assert source.index("if self._service_session:") < source.index("self._service_session.publish(")


@check("our WebSocket factory is one that Crossbar accepts, with its bounds")
def _websocket() -> None:
    factory = websocket.PlatformWebSocketFactory(
        sessions.RouterSessionFactory(RouterFactory("node", "worker", None)), Door.DEVICES, 1000
    )
    assert isinstance(factory, WampWebSocketServerFactory)
    assert factory.maxMessagePayloadSize == 1000
    assert factory.failByDrop is True
    assert factory.autoPingInterval + factory.autoPingTimeout < 8
    assert factory.autoPingRestartOnAnyTraffic is False
    assert "self.onAutoPingTimeout," in inspect.getsource(websocket.PlatformWebSocket._sendAutoPing)
    assert "self.autoPingTimeoutCall.cancel()" in inspect.getsource(websocket.PlatformWebSocket.processControlFrame)
    assert callable(factory._batched_timer.call_later)
    protocol = factory.buildProtocol(None)
    assert isinstance(protocol, websocket.PlatformWebSocket)
    assert [name for name in factory._serializers if "." not in name] == ["cbor", "msgpack", "json"]


@check("a WELCOME carries what we strip in authextra and custom")
def _welcome() -> None:
    assert "authextra" in inspect.signature(message.Welcome.__init__).parameters
    assert "custom" in inspect.signature(message.Welcome.__init__).parameters


@check("what colours the messages of autobahn and Crossbar for their logs is looked up in their modules as hl")
def _colours() -> None:
    uncolour(autobahn_util, crossbar_util)
    assert autobahn_util.hlval(5) == crossbar_util.hlval(5) == "5"


@check("Twisted's TCP transport sends by writeSomeData, which answers how many octets went")
def _direct() -> None:
    assert "self.socket.send" in inspect.getsource(Connection.writeSomeData)


@check("TLS asks its clock for nothing but callLater, and that for small writes")
def _clock() -> None:
    source = inspect.getsource(tls)
    assert source.count("_clock.") == 1
    assert "self._scheduled = self._clock.callLater(0, self._scheduledFlush)" in source


@check("Twisted's TCP transport has dataBuffer, offset, _tempDataBuffer and _tempDataLen")
def _tcp() -> None:
    transport = FileDescriptor(reactor)
    transport.connected = 1
    vars(transport)["startWriting"] = lambda: None
    transport.write(b"12345")
    assert (len(transport.dataBuffer), transport.offset, transport._tempDataLen) == (0, 0, 5)
    assert b"".join(transport._tempDataBuffer) == b"12345"


def main() -> None:
    results: dict[str, str | None] = {}
    for name, function in CHECKS.items():
        try:
            function()
            results[name] = None
        except Exception as error:  # noqa: BLE001 - reported to the test
            results[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(results))  # noqa: T201 - read by the test


if __name__ == "__main__":
    main()
