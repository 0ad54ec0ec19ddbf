"""The control stream as a conversation."""

import pytest

from services.tunnels.errors import RemoteProtocolError, WireV2Error
from services.tunnels.records.messages import (
    CloseProxy,
    Login,
    LoginResp,
    Message,
    NewProxy,
    NewProxyResp,
    NewWorkConn,
    Ping,
    Pong,
    ReqWorkConn,
)
from services.tunnels.rules.cipher import Decrypting, Encrypting, control_key
from services.tunnels.rules.control import MAX_EARLY_OCTETS, VERSION, ControlSession
from services.tunnels.rules.messages import MessageReader, encode

KEY = control_key()
IV = bytes(range(16))


class Agent:
    """The other side: what it sends, and what it was told."""

    def __init__(self, session: ControlSession) -> None:
        self.session = session
        self._encrypting, self._decrypting = Encrypting(KEY, IV[::-1]), Decrypting(KEY)
        self._reader = MessageReader()
        self._is_in = False

    def told(self) -> list[Message]:
        octets = self.session.octets_to_send()
        if self._is_in:
            return self._reader.feed(self._decrypting.decrypt(octets))
        answer = self._reader.feed_one(octets)
        assert answer is not None
        self._is_in = True
        rest, self._reader = self._reader.rest, MessageReader()
        return [answer, *self._reader.feed(self._decrypting.decrypt(rest))]

    def sealed(self, *messages: Message) -> bytes:
        return b"".join(self._encrypting.encrypt(encode(message)) for message in messages)


def logged_in() -> Agent:
    session = ControlSession(KEY)
    session.receive(encode(Login(run_id="")))
    session.accept_login("0123456789abcdef", IV)
    agent = Agent(session)
    agent.told()
    return agent


def test_a_login_is_told_and_answered_in_clear_and_all_after_it_is_encrypted() -> None:
    session = ControlSession(KEY)
    login = Login(version="0.70.0", pool_count=1)

    assert session.receive(encode(login)) == [login]
    assert session.accept_login("0123456789abcdef", IV) == []
    session.want_work_conn()

    octets = session.octets_to_send()
    clear = encode(LoginResp(VERSION, "0123456789abcdef"))
    assert octets.startswith(clear)
    assert Decrypting(KEY).decrypt(octets[len(clear) :]) == encode(ReqWorkConn())


def test_proxies_are_told_and_answered() -> None:
    agent = logged_in()

    told = agent.session.receive(agent.sealed(NewProxy("a", "tcp"), CloseProxy("b")))
    agent.session.answer_proxy("a", remote_addr=":16001")
    agent.session.answer_proxy("c", error="the port is another device's")

    assert told == [NewProxy("a", "tcp"), CloseProxy("b")]
    assert agent.told() == [NewProxyResp("a", ":16001"), NewProxyResp("c", error="the port is another device's")]


def test_a_heartbeat_is_answered() -> None:
    agent = logged_in()

    assert agent.session.receive(agent.sealed(Ping())) == []

    assert agent.told() == [Pong()]


def test_what_came_before_the_answer_is_told_after_it() -> None:
    session = ControlSession(KEY)
    agent = Agent(session)

    assert session.receive(encode(Login()) + agent.sealed(NewProxy("a"))) == [Login()]
    assert session.receive(agent.sealed(NewProxy("b"))) == []

    assert session.accept_login("0123456789abcdef", IV) == [NewProxy("a"), NewProxy("b")]


def test_who_sends_much_before_the_answer_is_refused() -> None:
    session = ControlSession(KEY)
    session.receive(encode(Login()))

    with pytest.raises(RemoteProtocolError):
        session.receive(bytes(MAX_EARLY_OCTETS + 1))


def test_a_refused_login_has_its_reason() -> None:
    session = ControlSession(KEY)
    session.receive(encode(Login()))

    session.refuse_login("the device is not connected")

    assert session.octets_to_send() == encode(LoginResp(VERSION, error="the device is not connected"))


@pytest.mark.parametrize("first", [NewProxy("a"), NewWorkConn("b"), Ping()], ids=lambda each: type(each).__name__)
def test_nothing_else_comes_first(first: Message) -> None:
    with pytest.raises(RemoteProtocolError):
        ControlSession(KEY).receive(encode(first))


def test_a_second_login_is_refused() -> None:
    agent = logged_in()

    with pytest.raises(RemoteProtocolError):
        agent.session.receive(agent.sealed(Login()))


def test_wire_v2_is_told_apart() -> None:
    with pytest.raises(WireV2Error):
        ControlSession(KEY).receive(b"FRP\x00\x02\r\n")


def test_nothing_is_asked_before_the_login_is_answered() -> None:
    with pytest.raises(RemoteProtocolError):
        ControlSession(KEY).want_work_conn()
