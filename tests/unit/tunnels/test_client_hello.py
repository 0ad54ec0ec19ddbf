"""Which host a TLS client asks for: told by OpenSSL's own octets, and by broken ones."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.errors import RemoteProtocolError
from services.tunnels.rules.client_hello import MAX_HELLO, ClientHello, read_hello

HOST = "secure-42-web-80.tunnels.example"


def hello_of(server_name: str | None) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=server_name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


HELLO = hello_of(HOST)


def in_records(body: bytes, size: int) -> bytes:
    """The handshake message in records of so many octets."""
    pieces = [body[first : first + size] for first in range(0, len(body), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece for piece in pieces)


@pytest.mark.parametrize("name", [HOST, "Tunnels.Example", None])
def test_the_host_is_what_the_client_asks_for(name: str | None) -> None:
    assert read_hello(hello_of(name)) == ClientHello(None if name is None else name.lower())


@given(st.integers(0, len(HELLO) - 1))
def test_a_part_of_it_is_waited_for(cut: int) -> None:
    assert read_hello(HELLO[:cut]) is None


@given(st.integers(40, 400), st.binary(max_size=50))
def test_it_may_lie_in_several_records_and_more_may_follow(size: int, more: bytes) -> None:
    assert read_hello(in_records(HELLO[5:], size) + more) == ClientHello(HOST)


def test_records_of_an_octet_each_are_not_put_together() -> None:
    with pytest.raises(RemoteProtocolError, match="too many records"):
        read_hello(in_records(HELLO[5:], 1))


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x16\x02\x01\x00\x05" + bytes(5),
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x40\x01",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x10",
        b"\x16\x03\x01\x00\x04\x01" + (MAX_HELLO + 1).to_bytes(3),
        b"\x16\x03\x01\x00\x08\x01\x00\x00\x04" + bytes(4),
    ],
)
def test_what_is_none_is_refused(octets: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_hello(octets)


@given(st.integers(0, len(HELLO) - 1), st.integers(1, 255))
def test_a_flipped_octet_gives_a_hello_or_is_refused_or_waited_for(at: int, flip: int) -> None:
    broken = HELLO[:at] + bytes([HELLO[at] ^ flip]) + HELLO[at + 1 :]
    try:
        read_hello(broken)
    except RemoteProtocolError:
        return


@given(st.binary(max_size=600))
def test_random_octets_too(octets: bytes) -> None:
    try:
        read_hello(octets)
    except RemoteProtocolError:
        return
