"""Datagrams of visitors to a device and back."""

import socket

import pytest

from services.tunnels.rules.udp import MAX_DATAGRAM
from tests.harness.tunnel_edge import LOCAL, World, run
from tests.harness.waiting import wait_until
from tests.integration.tunnels.agents import DNS, Answering, asking, call, logged_in


def test_datagrams_are_answered_to_whoever_sent_them(world: World) -> None:
    answering = Answering()
    run(logged_in(world, work=answering.begin).offer(DNS))
    port = world.udp_port(DNS.proxy_name)

    with asking(port) as first, asking(port) as second:
        first.send(b"one")
        second.send(b"two")

        assert first.recv(100) == b"echo:one"
        assert second.recv(100) == b"echo:two"
    assert len(answering.streams) == 1


def test_a_device_reaches_nobody_who_sent_it_nothing(world: World) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bystander:
        bystander.bind((LOCAL, 0))
        bystander.setblocking(False)
        run(logged_in(world, work=Answering(bystander.getsockname()[1]).begin).offer(DNS))
        with asking(world.udp_port(DNS.proxy_name)) as visitor:
            visitor.send(b"one")
            assert visitor.recv(100) == b"echo:one"

        with pytest.raises(BlockingIOError):
            bystander.recv(100)


def test_the_longest_datagram_passes_and_a_longer_one_is_dropped(world: World) -> None:
    run(logged_in(world, work=Answering().begin).offer(DNS))
    with asking(world.udp_port(DNS.proxy_name)) as visitor:
        visitor.send(bytes(MAX_DATAGRAM + 1))
        visitor.send(bytes(MAX_DATAGRAM - 5))

        assert visitor.recv(4_000) == b"echo:" + bytes(MAX_DATAGRAM - 5)


def test_given_a_stream_that_was_lost_when_more_comes_then_another_is_opened(world: World) -> None:
    answering = Answering()
    run(logged_in(world, work=answering.begin).offer(DNS))
    with asking(world.udp_port(DNS.proxy_name)) as visitor:
        visitor.send(b"one")
        assert visitor.recv(100) == b"echo:one"

        call(answering.streams[0].write, b"no datagram")
        wait_until(lambda: answering.streams[0].is_lost, 10, "the stream is reset")
        visitor.send(b"two")

        assert visitor.recv(100) == b"echo:two"
    assert len(answering.streams) == 2
