"""What one agent may offer, and how its work streams are used."""

import asyncio
from typing import Any

import pytest

from services.tunnels import work_streams
from services.tunnels.edge_session import MAX_WIDE, WIDE_WINDOW
from services.tunnels.errors import NoWorkConnError
from services.tunnels.records.happenings import ProxyRefused
from services.tunnels.records.messages import CloseProxy, NewProxy, NewVisitorConn, Ping, Pong, StartWorkConn
from services.tunnels.records.offers import Source
from services.tunnels.rules.messages import encode
from services.tunnels.rules.yamux_streams import INITIAL_WINDOW
from services.tunnels.streams import MuxStream
from tests.harness.frp_client import WINDOW
from tests.harness.tunnel_edge import DEVICE, World, offered, run
from tests.harness.waiting import wait_until
from tests.integration.tunnels.agents import DNS, SSH, WEB, agent, call, ended, logged_in
from tests.unit.tunnels.joined import Remembering

VISITOR = Source("192.0.2.9", 4_711)


def test_an_agent_is_told_where_its_proxies_are(world: World) -> None:
    client = logged_in(world)

    answers = [run(client.offer(asked)) for asked in (SSH, DNS, WEB)]

    assert [answer.remote_addr for answer in answers] == [":16022", ":16053", "42-web-80.edge.test"]
    assert world.offers() == 3


@pytest.mark.parametrize(
    "asked",
    [
        NewProxy("43-ssh-22-tcp", "tcp", remote_port=16_022),
        NewProxy("43-web-80-http", "http", subdomain="43-web-80"),
        NewProxy("43-web-80-http", "http", subdomain="42-web-80"),
        NewProxy("42-web-80-http", "http", subdomain="43-web-80"),
        NewProxy("42-ssh-22-tcp", "tcp", remote_port=16_022, use_encryption=True),
        NewProxy("42-ssh-22-stcp", "stcp"),
    ],
    ids=str,
)
def test_what_a_device_may_not_have_is_refused_under_its_name(world: World, asked: NewProxy) -> None:
    world.add(43, "proof-43")
    client = logged_in(world)

    answer = run(client.offer(asked))

    assert answer.remote_addr == ""
    refused = [each for each in world.happened if isinstance(each, ProxyRefused)]
    assert [(each.device, each.asked, each.reason) for each in refused] == [(DEVICE, asked, answer.error)]
    assert world.offers() == 0
    assert run(client.offer(SSH)).error == ""


def test_what_another_device_has_is_refused(world: World) -> None:
    world.add(43, "proof-43")
    other = logged_in(world, "proof-43")
    assert run(other.offer(NewProxy("43-ssh-22-tcp", "tcp", remote_port=16_022))).error == ""

    answer = run(logged_in(world).offer(SSH))

    assert "registered already" in answer.error


def test_what_was_not_declared_is_refused_with_its_reason(world: World) -> None:
    world.refused["42-ssh-22-tcp"] = "port 22 of ssh is not declared"

    assert run(logged_in(world).offer(SSH)).error == "port 22 of ssh is not declared"


def test_a_proxy_that_is_asked_for_again_is_what_it_was(world: World) -> None:
    client = logged_in(world)

    answers = [run(client.offer(SSH)) for _ in range(2)]

    assert answers[0] == answers[1]
    assert world.kinds() == ["SessionBegan", "Offered"]


def test_a_proxy_that_moves_gives_its_port_back(world: World) -> None:
    client = logged_in(world)
    run(client.offer(SSH))

    moved = run(client.offer(NewProxy("42-ssh-22-tcp", "tcp", remote_port=16_023)))

    assert moved.remote_addr == ":16023"
    assert world.kinds() == ["SessionBegan", "Offered", "Withdrawn", "Offered"]


def test_a_closed_proxy_is_free(world: World) -> None:
    client = logged_in(world)
    run(client.offer(SSH))

    call(client.send, CloseProxy("42-ssh-22-tcp"))
    wait_until(lambda: world.offers() == 0, 10, "it is free")

    with pytest.raises(NoWorkConnError):
        run(world.open("42-ssh-22-tcp", VISITOR))


def test_sixty_four_proxies_and_no_more(world: World) -> None:
    client = logged_in(world)

    async def all_of_them() -> list[str]:
        asked = [NewProxy(f"42-app-{port}-tcp", "tcp", remote_port=16_000 + port) for port in range(1, 66)]
        return [(await client.offer(each)).error for each in asked]

    errors = run(all_of_them())

    assert [bool(error) for error in errors] == [False] * 64 + [True]


def test_a_heartbeat_of_frp_is_answered(world: World) -> None:
    client = logged_in(world)

    async def answered() -> Any:
        client.send(Ping())
        return await client.answer()

    assert run(answered()) == Pong()


def test_a_visitor_is_told_to_the_device(world: World) -> None:
    started: list[StartWorkConn] = []
    client = logged_in(world, work=lambda _stream, start, _first: started.append(start))
    for asked in (SSH, WEB, DNS):
        run(client.offer(asked))

    for asked in (SSH, WEB, DNS):
        run(world.open(asked.proxy_name, VISITOR))
    wait_until(lambda: len(started) == 3, 10, "the device knows of three visitors")

    assert started == [
        StartWorkConn("42-ssh-22-tcp", "192.0.2.9", "192.0.2.9", 4_711, 16_022),
        StartWorkConn("42-web-80-http", "192.0.2.9", src_port=4_711),
        StartWorkConn("42-dns-53-udp"),
    ]


def test_many_visitors_at_once_each_have_a_stream(world: World) -> None:
    client = logged_in(world)
    run(client.offer(SSH))

    async def together() -> set[int]:
        opened = await asyncio.gather(*(world.open("42-ssh-22-tcp", VISITOR) for _ in range(40)))
        return {stream.stream_id for stream in opened}

    assert len(run(together())) == 40


def test_the_first_visitors_of_a_device_have_wide_windows_and_further_ones_do_not(world: World) -> None:
    client = logged_in(world)
    run(client.offer(SSH))

    async def windows() -> list[int]:
        opened = [await world.open("42-ssh-22-tcp", VISITOR) for _ in range(MAX_WIDE + 2)]
        opened[0].abortConnection()
        opened.append(await world.open("42-ssh-22-tcp", VISITOR))
        streams = world.edge._sessions[42].link.session._streams
        return [streams[each.stream_id].window for each in opened[1:]]

    assert run(windows()) == [WIDE_WINDOW] * (MAX_WIDE - 1) + [INITIAL_WINDOW] * 2 + [WIDE_WINDOW]


def test_too_many_visitors_do_not_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_streams, "MAX_TAKERS", 2)
    client = logged_in(world)
    run(client.offer(SSH))
    call(setattr, client, "open_work_stream", lambda: None)

    async def refused() -> list[str]:
        await world.open("42-ssh-22-tcp", VISITOR)
        waiting = [asyncio.ensure_future(world.open("42-ssh-22-tcp", VISITOR)) for _ in range(5)]
        done, rest = await asyncio.wait(waiting, timeout=0.2)
        for each in rest:
            each.cancel()
        return [str(each.exception()) for each in done]

    assert run(refused()) == ["too many wait for the device"] * 3


def test_a_device_that_opens_no_stream_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_streams, "TAKE_S", 0.2)
    client = logged_in(world)
    run(client.offer(SSH))
    call(setattr, client, "open_work_stream", lambda: None)
    run(world.open("42-ssh-22-tcp", VISITOR))

    for _ in range(3):
        with pytest.raises(NoWorkConnError, match="in time"):
            run(world.open("42-ssh-22-tcp", VISITOR))

    call(delattr, client, "open_work_stream")
    assert run(world.open("42-ssh-22-tcp", VISITOR)) is not None


def test_a_stream_that_comes_while_its_visitor_leaves_is_the_next_ones(world: World) -> None:
    client = logged_in(world)
    run(client.offer(SSH))
    call(setattr, client, "open_work_stream", lambda: None)

    async def leave() -> MuxStream:
        first = await world.open("42-ssh-22-tcp", VISITOR)
        leaving = asyncio.ensure_future(world.open("42-ssh-22-tcp", VISITOR))
        await asyncio.sleep(0)
        work = world.edge._sessions[42]._work
        assert work is not None
        work.offer(spare := MuxStream(first._carrier, 999))
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert leaving.cancelled()
        assert await world.open("42-ssh-22-tcp", VISITOR) is spare
        return spare

    assert run(leave()).stream_id == 999


def test_whoever_waits_when_the_session_ends_is_told(world: World) -> None:
    client = logged_in(world)
    run(client.offer(SSH))
    call(setattr, client, "open_work_stream", lambda: None)

    async def waited() -> None:
        await world.open("42-ssh-22-tcp", VISITOR)
        waiting = asyncio.ensure_future(world.open("42-ssh-22-tcp", VISITOR))
        await asyncio.sleep(0)
        world.edge.end(42, "enough")
        await waiting

    with pytest.raises(NoWorkConnError, match="ended"):
        run(waited())


def test_more_streams_than_were_asked_for_are_refused(world: World) -> None:
    client = logged_in(world)
    started: list[StartWorkConn] = []
    call(setattr, client, "_work", lambda _stream, start, _first: started.append(start))

    async def flood() -> None:
        for _ in range(20):
            client.open_work_stream()

    run(flood())
    wait_until(lambda: len(started) >= 10, 10, "the rest is refused")

    assert all(each.error for each in started)


def test_a_stream_that_speaks_before_it_has_a_visitor_is_reset(world: World) -> None:
    client = logged_in(world)
    run(client.offer(SSH))

    async def speak() -> MuxStream:
        stream = client.open_work_stream()
        stream.write(b"SSH-2.0")
        return stream

    stream = run(speak())
    wait_until(lambda: stream.is_lost, 10, "it is reset")
    assert run(world.open("42-ssh-22-tcp", VISITOR)) is not None


def test_visitors_of_frps_own_kind_are_refused(world: World) -> None:
    client = logged_in(world)
    remembering = Remembering()

    async def come() -> None:
        stream = client.link.open_stream(WINDOW)
        stream.attach(remembering)
        stream.write(encode(NewVisitorConn(proxy_name="secret")))

    run(come())
    wait_until(lambda: bool(remembering.ends), 10, "it is refused")

    assert remembering.octets.startswith(b"3")
    assert b"not served" in remembering.octets


def test_a_second_login_on_the_same_connection_ends_it(world: World) -> None:
    client = logged_in(world)

    async def again() -> str:
        client.link.open_stream(WINDOW).write(b"o\0\0\0\0\0\0\0\2{}")
        return await ended(client)

    run(again())

    assert world.kinds() == ["SessionBegan", "SessionEnded"]


def test_an_agent_that_asks_faster_than_it_is_answered_is_cut(world: World) -> None:
    client, _ = run(agent(world))

    async def flood() -> str:
        for number in range(2_000):
            client.send(CloseProxy(f"{number}"))
        return await ended(client)

    run(flood())

    assert world.kinds()[-1] == "SessionEnded"


def test_streams_belong_to_their_connection_whatever_run_id_they_name(world: World) -> None:
    world.add(43, "proof-43")
    victim, other = logged_in(world), logged_in(world, "proof-43")
    run(victim.offer(SSH))
    call(setattr, victim, "open_work_stream", lambda: None)
    run(world.open("42-ssh-22-tcp", VISITOR))

    async def intrude() -> None:
        other.run_id = victim.run_id
        other.open_work_stream()

    run(intrude())
    taking = world.edge.open_stream(offered("42-ssh-22-tcp", 16_022), VISITOR)
    with pytest.raises(NoWorkConnError):
        run(taking)
