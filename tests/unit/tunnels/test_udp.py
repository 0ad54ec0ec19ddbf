"""Datagrams on a work stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.errors import RemoteProtocolError
from services.tunnels.records.messages import CloseProxy, Ping, UdpAddress, UDPPacket
from services.tunnels.records.offers import Source
from services.tunnels.rules.messages import encode
from services.tunnels.rules.udp import MAX_DATAGRAM, PacketReader, packet

sources = st.builds(Source, st.ip_addresses().map(str), st.integers(0, 65_535))


@given(st.lists(st.tuples(st.binary(max_size=MAX_DATAGRAM), sources), max_size=4), st.integers(1, 900))
def test_datagrams_come_out_as_they_went_in(sent: list[tuple[bytes, Source]], step: int) -> None:
    octets = b"".join(packet(*each) for each in sent)
    reader = PacketReader()

    found = [each for at in range(0, len(octets), step) for each in reader.feed(octets[at : at + step])]

    assert found == sent


def test_a_datagram_that_is_too_long_is_not_carried() -> None:
    with pytest.raises(ValueError, match="1501"):
        packet(bytes(MAX_DATAGRAM + 1), Source("127.0.0.1", 1))


def test_what_a_device_sends_too_long_is_dropped_alone() -> None:
    where = UdpAddress("127.0.0.1", 1)
    sent = [UDPPacket(bytes(MAX_DATAGRAM + 1), remote=where), UDPPacket(b"next", remote=where)]

    assert PacketReader().feed(b"".join(map(encode, sent))) == [(b"next", Source("127.0.0.1", 1))]


def test_an_address_that_is_none_is_not_carried() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        packet(b"a", Source("nowhere", 1))


def test_heartbeats_between_datagrams_are_nothing() -> None:
    assert PacketReader().feed(encode(Ping())) == []


@pytest.mark.parametrize("message", [CloseProxy("a"), UDPPacket(b"to nobody")], ids=["another message", "no address"])
def test_anything_else_is_refused(message: CloseProxy | UDPPacket) -> None:
    with pytest.raises(RemoteProtocolError):
        PacketReader().feed(encode(message))
