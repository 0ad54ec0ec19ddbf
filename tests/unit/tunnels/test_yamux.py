"""One yamux session against what frpc sent, and two of them against each other."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.tunnels.errors import LocalProtocolError, RemoteProtocolError
from services.tunnels.records.yamux import Data, Event, Finished, GoneAway, Keepalive, Opened, Reset, Role, Signal
from services.tunnels.rules.frames import ACK, FIN, HEADER_OCTETS, RST, SYN, FrameType, GoAwayCode, header
from services.tunnels.rules.yamux import MAX_CONTROL_OCTETS, MAX_STREAMS, MAX_WAITING, Session
from services.tunnels.rules.yamux_streams import INITIAL_WINDOW, SENDING, TRANSITIONS
from tests.unit.tunnels.frp_vectors import desc, of_kind

KINDS = (FrameType.DATA, FrameType.WINDOW_UPDATE)
FLAGS = (0, ACK, FIN, RST)
PROTOCOL_ERROR = header(FrameType.GO_AWAY, 0, 0, GoAwayCode.PROTOCOL_ERROR)
SYN_1 = bytes.fromhex("0001000100000001005c0000")


def shown(events: list[Event]) -> list[list[Any]]:
    """As the vectors say it, pieces of data put together."""
    found: list[list[Any]] = []
    for event in events:
        match event:
            case Data(stream_id, octets):
                if found and found[-1][:2] == ["data", stream_id]:
                    found[-1][2] += octets.hex()
                else:
                    found.append(["data", stream_id, octets.hex()])
            case Opened(stream_id):
                found.append(["opened", stream_id])
            case Finished(stream_id):
                found.append(["finished", stream_id])
            case Reset(stream_id):
                found.append(["reset", stream_id])
            case GoneAway(code):
                found.append(["gone away", code])
    return found


@pytest.mark.parametrize("step", [1, 5, 12, 10_000])
@pytest.mark.parametrize("vector", of_kind("yamux"), ids=desc)
def test_what_frpc_sends_is_understood_however_it_is_cut(vector: dict[str, Any], step: int) -> None:
    octets, session = bytes.fromhex(vector["input"]), Session(Role.SERVER)

    events = fed(session, octets, step)

    assert shown(events) == vector["expected"]
    assert session.octets_to_send().hex() == vector.get("answer", "")


@pytest.mark.parametrize("step", [1, 10_000])
@pytest.mark.parametrize("vector", of_kind("yamux", failing=True), ids=desc)
def test_a_mutated_copy_ends_the_session_with_go_away(vector: dict[str, Any], step: int) -> None:
    octets, session = bytes.fromhex(vector["input"]), Session(Role.SERVER)

    with pytest.raises(RemoteProtocolError) as raised:
        fed(session, octets, step)

    assert str(raised.value) == vector["error"]
    assert session.octets_to_send().endswith(PROTOCOL_ERROR)
    assert session.is_over
    assert session.receive(SYN_1) == []


def test_we_open_and_accept_as_frpc_and_frps_do() -> None:
    client, server = Session(Role.CLIENT), Session(Role.SERVER)

    client.open(INITIAL_WINDOW + 0x5C0000)
    opening = client.octets_to_send()
    server.receive(opening)
    server.accept(1)
    server.widen(1, INITIAL_WINDOW + 0x5C0000)

    assert opening == SYN_1
    assert server.octets_to_send().hex() == "000100020000000100000000" + "0001000000000001005c0000"


def test_frames_of_one_stream_are_bounded_by_the_peers_window() -> None:
    client, server = pair()
    stream = opened(client, server)

    client.write(stream, bytes(INITIAL_WINDOW + 10))
    sent = drained(client)

    payload = len(sent) - HEADER_OCTETS * (INITIAL_WINDOW // 65_536 + 1)
    assert payload == INITIAL_WINDOW
    assert client.waiting(stream) == 10
    server.receive(sent)
    server.consumed(stream, INITIAL_WINDOW)
    client.receive(drained(server))
    assert len(drained(client)) == HEADER_OCTETS + 10


def test_streams_take_turns() -> None:
    client, server = pair()
    first, second = opened(client, server), opened(client, server)
    client.write(first, bytes(200_000))
    client.write(second, b"b")

    client.octets_to_send()
    events = server.receive(client.octets_to_send())

    assert Data(second, b"b") in events


def test_given_256_streams_when_one_more_is_opened_then_it_is_reset_and_the_session_goes_on() -> None:
    session = Session(Role.SERVER)
    for number in range(MAX_STREAMS):
        session.receive(header(FrameType.WINDOW_UPDATE, SYN, 2 * number + 1, 0))

    refused = 2 * MAX_STREAMS + 1
    assert session.receive(header(FrameType.WINDOW_UPDATE, SYN, refused, 0)) == []

    assert session.octets_to_send() == header(FrameType.WINDOW_UPDATE, RST, refused, 0)
    assert session.stream_count == MAX_STREAMS
    session.reset(1)
    assert session.receive(header(FrameType.WINDOW_UPDATE, SYN, refused + 2, 0)) == [Opened(refused + 2)]


def test_who_asks_and_does_not_read_is_cut() -> None:
    session = Session(Role.SERVER)
    flood = header(FrameType.PING, SYN, 0, 7) * (MAX_CONTROL_OCTETS // HEADER_OCTETS + 2)

    with pytest.raises(RemoteProtocolError, match="does not read"):
        session.receive(flood)

    assert len(session.octets_to_send()) <= MAX_CONTROL_OCTETS + 2 * HEADER_OCTETS


def test_a_stream_that_was_reset_by_us_takes_what_is_under_way_silently() -> None:
    session = Session(Role.SERVER)
    session.receive(SYN_1 + header(FrameType.DATA, 0, 1, 10) + b"12345")

    session.reset(1)

    assert session.receive(b"67890" + header(FrameType.DATA, 0, 1, 3) + b"abc") == []


def test_fin_goes_behind_what_waits() -> None:
    client, server = pair()
    stream = opened(client, server)
    client.write(stream, b"last")

    client.finish(stream)
    client.finish(stream)

    assert server.receive(drained(client)) == [Data(stream, b"last"), Finished(stream)]
    with pytest.raises(LocalProtocolError):
        client.write(stream, b"more")


def test_a_stream_is_gone_once_both_sides_finished() -> None:
    client, server = pair()
    stream = opened(client, server)
    client.finish(stream)
    server.receive(drained(client))

    server.finish(stream)

    assert client.receive(drained(server)) == [Finished(stream)]
    assert (client.stream_count, server.stream_count) == (0, 0)
    assert server.receive(header(FrameType.WINDOW_UPDATE, FIN, stream, 0)) == []  # late, and of nobody


def test_what_waits_can_be_dropped_and_fin_goes_at_once() -> None:
    client, server = pair()
    stream = opened(client, server)
    client.write(stream, bytes(INITIAL_WINDOW + 1))
    drained(client)
    client.finish(stream)
    assert drained(client) == b""

    client.drop_waiting(stream)

    assert drained(client) == header(FrameType.WINDOW_UPDATE, FIN, stream, 0)


def test_misuse_is_our_own_fault() -> None:
    client, server = pair()
    stream = opened(client, server)

    with pytest.raises(LocalProtocolError):
        client.write(stream, bytes(MAX_WAITING + 1))
    with pytest.raises(LocalProtocolError):
        server.consumed(stream, 1)
    with pytest.raises(LocalProtocolError):
        server.accept(stream)
    fresh = Session(Role.SERVER)
    fresh.receive(SYN_1)
    with pytest.raises(LocalProtocolError):
        fresh.write(1, b"before it is accepted")


def test_what_is_done_to_a_stream_that_is_gone_does_nothing() -> None:
    session = Session(Role.SERVER)

    session.accept(1)
    session.write(1, b"a")
    session.consumed(1, 5)
    session.widen(1, 2 * INITIAL_WINDOW)
    session.finish(1)
    session.drop_waiting(1)
    session.reset(1)

    assert session.octets_to_send() == b""
    assert session.waiting(1) == 0


class TestKeepalive:
    """A ping every 2 s, answered within 5 s."""

    def test_a_silent_peer_is_gone_seven_seconds_after_its_last_word(self) -> None:
        session = Session(Role.SERVER, Keepalive(2.0, 5.0), now=100.0)
        due: list[float] = []
        with pytest.raises(RemoteProtocolError, match="no ping"):
            until_gone(session, due)

        assert due == [102.0, 104.0, 106.0, 107.0]
        assert session.is_over
        assert session.next_timer() is None
        session.tick(200.0)

    def test_pings_are_numbered_from_zero(self) -> None:
        session = Session(Role.SERVER, Keepalive(2.0, 5.0))
        session.tick(2.0)
        session.tick(3.0)
        session.tick(4.0)

        assert session.octets_to_send().hex() == "000200010000000000000000" + "000200010000000000000001"

    def test_an_answer_keeps_the_session(self) -> None:
        session = Session(Role.SERVER, Keepalive(2.0, 5.0))
        session.tick(2.0)
        session.receive(header(FrameType.PING, ACK, 0, 0), 6.9)
        session.tick(7.0)

        assert session.next_timer() == 9.0

    def test_without_keepalive_nothing_is_due(self) -> None:
        session = Session(Role.SERVER)
        session.tick(1e9)

        assert session.next_timer() is None


@given(st.binary(max_size=200))
def test_random_octets_give_events_or_a_remote_error(octets: bytes) -> None:
    session = Session(Role.SERVER)
    try:
        session.receive(octets)
    except RemoteProtocolError:
        assert session.octets_to_send().endswith(PROTOCOL_ERROR)


@given(
    st.lists(
        st.sampled_from(
            [
                SYN_1,
                *(
                    header(k, f, 1, n)
                    for k in (FrameType.DATA, FrameType.WINDOW_UPDATE)
                    for f in (0, 2, 4, 8)
                    for n in (0, 3)
                ),
            ]
        )
    )
)
def test_frames_in_any_order_give_events_or_a_remote_error(frames: list[bytes]) -> None:
    session = Session(Role.SERVER)
    try:
        for event in session.receive(b"".join(frames)):
            if isinstance(event, Opened):
                session.accept(1)
    except RemoteProtocolError:
        assert session.is_over
    except LocalProtocolError:
        assert len(frames) > 2  # it was reset and opened no more before we accepted


def test_every_state_that_takes_our_octets_can_be_finished() -> None:
    assert {state for state, signal in TRANSITIONS if signal is Signal.FINISHED} == SENDING


def fed(session: Session, octets: bytes, step: int) -> list[Event]:
    return [each for at in range(0, len(octets), step) for each in session.receive(octets[at : at + step])]


def until_gone(session: Session, due: list[float]) -> None:
    """Tick when it is due."""
    while (at := session.next_timer()) is not None:
        due.append(at)
        session.tick(at)


def pair() -> tuple[Session, Session]:
    return Session(Role.CLIENT), Session(Role.SERVER)


def opened(client: Session, server: Session) -> int:
    stream = client.open()
    server.receive(drained(client))
    server.accept(stream)
    client.receive(drained(server))
    return stream


def drained(session: Session) -> bytes:
    found = b""
    while octets := session.octets_to_send():
        found += octets
    return found


class Way:
    """Octets of one stream in one direction: what was written, what came out, what was consumed."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.received = bytearray()
        self.consumed = 0
        self.is_finished = False
        self.is_told = False


class TwoSessions(RuleBasedStateMachine):
    """A client and a server; octets between them arrive in any pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.sides = {role: Session(role) for role in Role}
        self.wires = {role: bytearray() for role in Role}  # towards that role
        self.ways: dict[tuple[Role, int], Way] = {}  # from that role
        self.windows: dict[tuple[Role, int], int] = {}  # of what that role receives
        self.reset: set[int] = set()
        self.known: list[int] = []
        self.accepted: set[int] = set()

    def live(self) -> list[int]:
        return [each for each in self.known if each in self.accepted and each not in self.reset]

    @precondition(lambda self: len(self.known) < 6)
    @rule(window=st.sampled_from([INITIAL_WINDOW, INITIAL_WINDOW + 100, 2 * INITIAL_WINDOW]))
    def open(self, window: int) -> None:
        stream = self.sides[Role.CLIENT].open(window)
        self.known.append(stream)
        for role in Role:
            self.ways[role, stream] = Way()
            self.windows[role, stream] = window if role is Role.CLIENT else INITIAL_WINDOW

    @precondition(lambda self: self.live())
    @rule(data=st.data(), role=st.sampled_from(Role), length=st.sampled_from([1, 12, 1_000, 65_536, 200_000]))
    def write(self, data: st.DataObject, role: Role, length: int) -> None:
        stream = data.draw(st.sampled_from(self.live()))
        way, session = self.ways[role, stream], self.sides[role]
        if way.is_finished or session.waiting(stream) + length > MAX_WAITING:
            return
        start = len(way.written)
        octets = bytes((start + each) % 251 for each in range(min(length, 251))) * (length // 251 + 1)
        session.write(stream, octets[:length])
        way.written += octets[:length]

    @precondition(lambda self: self.live())
    @rule(data=st.data(), role=st.sampled_from(Role))
    def finish(self, data: st.DataObject, role: Role) -> None:
        stream = data.draw(st.sampled_from(self.live()))
        self.ways[role, stream].is_finished = True
        self.sides[role].finish(stream)

    @precondition(lambda self: self.live())
    @rule(data=st.data(), window=st.sampled_from([300_000, 1_048_576]))
    def widen(self, data: st.DataObject, window: int) -> None:
        stream = data.draw(st.sampled_from(self.live()))
        self.sides[Role.SERVER].widen(stream, window)
        self.windows[Role.SERVER, stream] = max(window, self.windows[Role.SERVER, stream])

    @precondition(lambda self: self.live())
    @rule(data=st.data(), role=st.sampled_from(Role))
    def break_off(self, data: st.DataObject, role: Role) -> None:
        stream = data.draw(st.sampled_from(self.live()))
        self.sides[role].reset(stream)
        self.reset.add(stream)

    @precondition(lambda self: self.live())
    @rule(data=st.data(), role=st.sampled_from(Role), share=st.sampled_from([0.3, 1.0]))
    def consume(self, data: st.DataObject, role: Role, share: float) -> None:
        stream = data.draw(st.sampled_from(self.live()))
        way = self.ways[other(role), stream]
        count = int((len(way.received) - way.consumed) * share)
        self.sides[role].consumed(stream, count)
        way.consumed += count

    @rule(role=st.sampled_from(Role), most=st.sampled_from([13, 100, 65_536]))
    def send(self, role: Role, most: int) -> None:
        self.wires[other(role)] += self.sides[role].octets_to_send(most)

    @rule(role=st.sampled_from(Role), length=st.sampled_from([1, 11, 13, 5_000, 10_000_000]))
    def deliver(self, role: Role, length: int) -> None:
        piece = bytes(self.wires[role][:length])
        del self.wires[role][:length]
        for event in self.sides[role].receive(piece):
            self.take(role, event)

    def take(self, role: Role, event: Event) -> None:
        match event:
            case Opened(stream):
                self.sides[role].accept(stream)
                self.accepted.add(stream)
            case Data(stream, octets):
                self.ways[other(role), stream].received += octets
            case Finished(stream):
                self.ways[other(role), stream].is_told = True
            case Reset(stream):
                assert stream in self.reset
            case GoneAway():
                raise AssertionError

    @invariant()
    def nothing_is_lost_or_turned_round(self) -> None:
        for way in self.ways.values():
            assert way.written.startswith(way.received)

    @invariant()
    def nobody_holds_more_than_its_window(self) -> None:
        for (role, stream), window in self.windows.items():
            way = self.ways[other(role), stream]
            assert stream in self.reset or len(way.received) - way.consumed <= window

    @invariant()
    def what_waits_is_bounded(self) -> None:
        for role, stream in self.ways:
            assert self.sides[role].waiting(stream) <= MAX_WAITING

    def teardown(self) -> None:
        """Let everything run out: all that was written arrives, and FIN behind it."""
        for _ in range(60):
            for role in Role:
                self.send(role, 65_536)
                self.deliver(role, 10_000_000)
                for stream in self.live():
                    way = self.ways[other(role), stream]
                    self.sides[role].consumed(stream, len(way.received) - way.consumed)
                    way.consumed = len(way.received)
        for (_, stream), way in self.ways.items():
            if stream not in self.reset:
                assert way.received == way.written
                assert way.is_told == way.is_finished


def other(role: Role) -> Role:
    return Role.SERVER if role is Role.CLIENT else Role.CLIENT


TwoSessions.TestCase.settings = settings(stateful_step_count=40)
TestTwoSessions = TwoSessions.TestCase
