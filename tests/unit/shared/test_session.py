"""The WAMP session of a service: how it joins, and what it tells its link."""

from pathlib import Path
from typing import Any, cast

import pytest
from autobahn.wamp.exception import TransportLost
from autobahn.wamp.types import Challenge, CloseDetails, ComponentConfig, SessionDetails
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from shared.session import JOIN_TIMEOUT_S, BusCredential, BusSession, client_endpoint, session_factory
from tests.integration.flockctl.certificates import make_certificates


class Transport:
    """Takes messages, and can be dropped."""

    def __init__(self) -> None:
        """Nothing was sent."""
        self.sent: list[Any] = []
        self.was_aborted = False

    def send(self, message: Any) -> None:
        """Remember `message`."""
        self.sent.append(message)

    def abort(self) -> None:
        """Be dropped."""
        self.was_aborted = True

    close = abort

    def isOpen(self) -> bool:  # noqa: N802 - the interface
        """Whether messages may be sent."""
        return not self.was_aborted


class Ends:
    """A link that remembers."""

    def __init__(self) -> None:
        """Nothing happened."""
        self.joined: list[BusSession] = []
        self.left: list[str] = []


@pytest.fixture(name="ends")
def fixture_ends() -> Ends:
    return Ends()


@pytest.fixture(name="clock")
def fixture_clock() -> MemoryReactorClock:
    return MemoryReactorClock()


@pytest.fixture(name="session")
def fixture_session(ends: Ends, clock: MemoryReactorClock) -> BusSession:
    credential = BusCredential("svc_auth", "s3cret", Path("ca.pem"))
    made = BusSession(
        cast("Any", clock), "realm1", credential, ends.joined.append, lambda _, reason: ends.left.append(reason)
    )
    cast("Any", made)._transport = Transport()
    return made


def transport(session: BusSession) -> Transport:
    return cast("Transport", session._transport)


def test_it_joins_its_realm_by_wamp_cra_under_its_role(session: BusSession) -> None:
    session.onConnect()

    hello = transport(session).sent[0]
    assert (hello.realm, hello.authmethods, hello.authid) == ("realm1", ["wampcra"], "svc_auth")


def test_it_signs_the_challenge_as_wamp_cra_has_it(session: BusSession) -> None:
    # printf '%s' '{"nonce":"x"}' | openssl dgst -sha256 -hmac s3cret -binary | base64
    assert (
        session.onChallenge(Challenge("wampcra", {"challenge": '{"nonce":"x"}'}))
        == "u5WFh9mfwBnVihWI2mwvQZrhEEAY7DPAMIF33zMuOWc="
    )


def test_given_no_answer_when_the_time_to_join_is_over_then_the_connection_is_dropped(
    session: BusSession, clock: MemoryReactorClock
) -> None:
    session.onConnect()
    clock.advance(JOIN_TIMEOUT_S - 0.1)
    assert not transport(session).was_aborted

    clock.advance(0.2)

    assert transport(session).was_aborted


def test_once_joined_it_stays(session: BusSession, clock: MemoryReactorClock, ends: Ends) -> None:
    session.onConnect()
    session.onJoin(SessionDetails("realm1", 1, authid="svc_auth"))
    assert session.router_cell is None
    clock.advance(2 * JOIN_TIMEOUT_S)

    assert ends.joined == [session]
    assert not transport(session).was_aborted


def test_a_router_says_which_cell_it_is(session: BusSession) -> None:
    session.onConnect()
    session.onJoin(SessionDetails("realm1", 1, authid="svc_auth", authextra={"cell": "south"}))

    assert session.router_cell == "south"


@pytest.mark.parametrize("has_joined", [True, False])
def test_every_end_is_told(session: BusSession, ends: Ends, *, has_joined: bool) -> None:
    session.onConnect()
    if has_joined:
        session.onJoin(SessionDetails("realm1", 1))
        session.onLeave(CloseDetails(reason="wamp.close.killed"))
    session.onDisconnect()

    assert ends.left == ["wamp.close.killed", "disconnected"][0 if has_joined else 1 :]


@pytest.mark.parametrize("name", ["procedure", "self", "options", "args", "kwargs"])
def test_an_argument_of_any_name_is_sent(session: BusSession, name: str) -> None:
    answered = session.call("other.do", 1, **{name: 2})

    [sent] = transport(session).sent
    assert (sent.procedure, tuple(sent.args), sent.kwargs) == ("other.do", (1,), {name: 2})
    assert not answered.called


def test_a_call_that_is_given_up_is_cancelled(session: BusSession) -> None:
    answered = session.call("other.do")
    _ = answered.addErrback(lambda _: None)
    answered.cancel()

    call, cancel = transport(session).sent
    assert cancel.request == call.request


def test_a_session_without_a_connection_calls_nothing(session: BusSession) -> None:
    cast("Any", session)._transport = None

    with pytest.raises(TransportLost):
        _ = session.call("other.do")


def test_a_session_without_a_connection_can_be_aborted(session: BusSession) -> None:
    cast("Any", session)._transport = None

    session.abort()


def test_the_secret_is_in_no_representation() -> None:
    assert "s3cret" not in repr(BusCredential("svc_auth", "s3cret", Path("ca.pem")))


@pytest.mark.parametrize(
    "url", ["ws://localhost:1/ws-svc", "https://localhost/ws-svc", "localhost:1", "wss:///ws-svc", ""]
)
def test_given_a_url_without_tls_when_it_is_dialled_then_it_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wss"):
        client_endpoint(cast("Any", MemoryReactorClock()), url, make_certificates(tmp_path).ca)


def test_who_is_trusted_is_read_anew_for_each_connection(tmp_path: Path) -> None:
    reactor, ca = MemoryReactorClock(), make_certificates(tmp_path).ca
    endpoint = client_endpoint(cast("Any", reactor), "wss://127.0.0.1:1/ws-svc", ca)
    kept = ca.read_bytes()

    ca.unlink()
    failures: list[Failure] = []
    _ = endpoint.connect(Factory()).addErrback(failures.append)
    assert [failure.type for failure in failures] == [ConnectError]
    assert reactor.tcpClients == []
    ca.write_bytes(kept)
    _ = endpoint.connect(Factory())

    assert [client[:2] for client in reactor.tcpClients] == [("127.0.0.1", 1)]


def test_connections_are_pinged_and_bounded(clock: MemoryReactorClock) -> None:
    credential = BusCredential("svc_auth", "s3cret", Path("ca.pem"))
    factory: Any = session_factory(
        cast("Any", clock), "wss://localhost:1/ws-svc", "realm1", credential, joined=print, left=print
    )

    assert 0 < factory.autoPingInterval + factory.autoPingTimeout <= 8
    assert 0 < factory.maxMessagePayloadSize <= 16 * 2**20
    assert factory.openHandshakeTimeout > 0
    assert isinstance(factory._factory(ComponentConfig()), BusSession)
