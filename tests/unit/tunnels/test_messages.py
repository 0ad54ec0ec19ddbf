"""frp's messages against what frpc and frps said, and against laws."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.errors import RemoteProtocolError, WireV2Error
from services.tunnels.records.messages import (
    CloseProxy,
    Login,
    LoginResp,
    Message,
    NewProxy,
    NewProxyResp,
    NewVisitorConn,
    NewVisitorConnResp,
    NewWorkConn,
    Ping,
    Pong,
    ReqWorkConn,
    StartWorkConn,
    UdpAddress,
    UDPPacket,
)
from services.tunnels.rules.messages import MAX_OCTETS, TYPES, MessageReader, encode
from tests.unit.tunnels.frp_vectors import desc, of_kind

ALL = (
    CloseProxy,
    Login,
    LoginResp,
    NewProxy,
    NewProxyResp,
    NewVisitorConn,
    NewVisitorConnResp,
    NewWorkConn,
    Ping,
    Pong,
    ReqWorkConn,
    StartWorkConn,
    UDPPacket,
)
short = st.text(max_size=12)
words = st.dictionaries(short, short, max_size=2)
addresses = st.builds(UdpAddress, st.ip_addresses(v=4).map(str), st.integers(0, 65_535), short)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        Login, short, short, timestamp=st.integers(-(2**63), 2**63 - 1), metas=words, pool_count=st.integers(0, 9)
    ),
    st.builds(NewProxy, short, short, st.booleans(), custom_domains=st.lists(short, max_size=2), headers=words),
    st.builds(StartWorkConn, short, short, short, st.integers(0, 65_535), st.integers(0, 65_535), short),
    st.builds(NewProxyResp, short, short, short),
    st.builds(UDPPacket, st.binary(max_size=1_500), st.none() | addresses, st.none() | addresses),
    st.just(ReqWorkConn()),
)


def shown(message: Message) -> list[Any]:
    """As the vectors say it."""
    fields = {name: value for name, value in attrs.asdict(message, recurse=False).items() if value}
    if isinstance(message, UDPPacket) and message.remote is not None:
        fields = {"content": message.content.decode(), "remote": [message.remote.ip, message.remote.port]}
    return [type(message).__name__, fields]


@pytest.mark.parametrize("vector", of_kind("message"), ids=desc)
def test_a_message_reads_as_the_real_peers_meant_it(vector: dict[str, Any]) -> None:
    message = MessageReader().feed_one(bytes.fromhex(vector["input"]))

    assert (None if message is None else shown(message)) == vector["expected"]
    if message is not None and vector.get("is_canonical", True):
        assert encode(message).hex() == vector["input"]


@pytest.mark.parametrize("vector", of_kind("message", failing=True), ids=desc)
def test_a_mutated_message_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        MessageReader().feed(bytes.fromhex(vector["input"]))

    assert str(raised.value) == vector["error"]


def test_every_type_has_its_octet() -> None:
    assert set(TYPES.values()) == set(ALL)
    assert b"".join(TYPES) == b"o1p2crwsv3h4u"


@given(st.lists(messages, max_size=4), st.lists(st.integers(0, 2_000), max_size=6))
def test_however_octets_are_cut_the_same_messages_are_told(sent: list[Message], cuts: list[int]) -> None:
    octets = b"".join(map(encode, sent))
    reader, found, at = MessageReader(), [], 0

    for end in [*sorted(min(cut, len(octets)) for cut in cuts), len(octets)]:
        found += reader.feed(octets[at:end])
        at = end

    assert found == sent
    assert reader.rest == b""


@given(st.binary(max_size=64))
def test_random_octets_give_messages_or_a_remote_error(octets: bytes) -> None:
    try:
        MessageReader().feed(octets)
    except RemoteProtocolError as error:
        assert octets.hex() not in str(error) or len(octets) < 3  # noqa: PT017 - both ways are right


def test_what_follows_the_first_message_is_kept() -> None:
    reader = MessageReader()

    first = reader.feed_one(encode(StartWorkConn("a")) + b"SSH-2.0")

    assert first == StartWorkConn("a")
    assert reader.rest == b"SSH-2.0"


def test_given_a_length_that_is_too_large_when_only_the_head_came_then_it_is_refused_already() -> None:
    with pytest.raises(RemoteProtocolError):
        MessageReader().feed(b"o" + (MAX_OCTETS + 1).to_bytes(8, "big"))


def test_wire_v2_is_told_apart() -> None:
    with pytest.raises(WireV2Error):
        MessageReader().feed(b"FRP\x00\x02\r\n")


def test_deeply_nested_json_is_refused() -> None:
    body = b'{"metas":' + b"[" * 9_000
    with pytest.raises(RemoteProtocolError):
        MessageReader().feed(b"o" + len(body).to_bytes(8, "big") + body)


def test_secrets_do_not_stand_in_representations() -> None:
    text = repr([Login(privilege_key="SECRET", metas={"tunnel_proof": "SECRET"}), NewProxy(http_pwd="SECRET")])

    assert "SECRET" not in text
