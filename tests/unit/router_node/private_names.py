"""Every name of Crossbar, autobahn and Twisted that the router leans on and that is not promised to stay.

Run as a program of its own, because Crossbar's session module brings a reactor with it: prints one JSON object of
`{check: null or what is wrong}`. `test_private_names.py` makes a test of each.
"""

import inspect
import json
from collections.abc import Callable
from typing import Any

import crossbar
from autobahn.wamp import message
from autobahn.wamp.types import Accept, ComponentConfig, Deny
from crossbar.router import session as sessions
from crossbar.router.broker import Broker
from crossbar.router.dealer import Dealer, InvocationRequest
from crossbar.router.protocol import WampWebSocketServerFactory
from crossbar.router.role import RouterRole
from crossbar.router.router import Router, RouterFactory
from crossbar.router.service import RouterServiceAgent
from crossbar.worker.router import RouterController
from crossbar.worker.types import RouterRealm
from twisted.internet import reactor
from twisted.internet.abstract import FileDescriptor
from typing_extensions import override

from ironflock_router import websocket
from ironflock_router.authentication.doors import Door

CHECKS: dict[str, Callable[[], None]] = {}


def check(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def add(function: Callable[[], None]) -> Callable[[], None]:
        CHECKS[name] = function
        return function

    return add


def router() -> Router:
    factory = RouterFactory("node", "worker", None)
    return factory.start_realm(RouterRealm(None, "realm1", {"name": "realm1", "roles": []}, "standalone"))


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


@check("RouterController has router_factory, realm_by_name, has_realm, start_router_realm, templates")
def _controller() -> None:
    for name in ("router_factory", "realm_by_name", "has_realm", "start_router_realm", "templates"):
        assert hasattr(RouterController, name), name


@check(
    "RouterController keeps a realm in realms, realm_to_id, _service_sessions, its sessions in _router_session_factory"
)
def _controller_books() -> None:
    source = inspect.getsource(RouterController)
    for name in ("self.realms", "self.realm_to_id", "self._service_sessions"):
        assert f"{name} = {{}}" in source or f"{name}: Dict" in source, name
    assert "self._router_session_factory.add(rlm.session, rlm.router" in source
    assert "self._service_sessions[realm][authrole] = session" in source


@check("starting a realm that has no store waits for nothing, so that it is done in one turn")
def _realm_start() -> None:
    source = inspect.getsource(RouterController.start_router_realm)
    code = [line.split("#")[0] for line in source.splitlines()]
    assert [line.strip() for line in code if "yield " in line] == ["yield rlm.router._store.start()"]
    assert router()._store is None


@check("Crossbar still removes a router twice when a realm is stopped")
def _realm_stop() -> None:
    factory = RouterFactory("node", "worker", None)
    realm = factory.start_realm(RouterRealm(None, "x", {"name": "x", "roles": []}, "standalone"))
    factory.on_last_detach(realm)
    assert "x" not in factory._routers
    source = inspect.getsource(RouterFactory.stop_realm)
    assert source.index("router.detach()") < source.index("del self._routers[realm]"), "mended: realm_stop may go"


@check("an embedded session that is removed leaves its router in the next turn, the last one with the router")
def _realm_last_session() -> None:
    assert "._session.disconnect()" in inspect.getsource(sessions.RouterSessionFactory.remove)
    assert "reactor.callLater(0, detach, self._session)" in inspect.getsource(sessions.RouterApplicationSession.close)
    assert "self._factory.on_last_detach(self)" in inspect.getsource(Router._detach)


@check("a session publishes its figures on closing only where it has a _service_session")
def _session_figures() -> None:
    source = inspect.getsource(sessions.RouterSession.onClose)
    assert source.index("if self._service_session:") < source.index("self._service_session.publish(")


@check("an error in a component's event listener ends the component")
def _panic() -> None:
    assert "session._swallow_error = panic" in inspect.getsource(RouterController), "mended: follow may raise"


@check("a component gets its controller where the worker exposes it")
def _component() -> None:
    assert ComponentConfig(realm="r", controller="c").controller == "c"


@check("our WebSocket factory is one that Crossbar accepts, with its bounds")
def _websocket() -> None:
    factory = websocket.PlatformWebSocketFactory(
        sessions.RouterSessionFactory(RouterFactory("node", "worker", None)), Door.DEVICES, "/", None, 1000
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
