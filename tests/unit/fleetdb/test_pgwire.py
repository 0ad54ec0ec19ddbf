"""PostgreSQL's protocol as the front reads it: golden octets of a real client, and whatever else may come."""

import itertools
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.records.sql import Cancel, Encryption, Frame, Startup
from services.fleetdb.rules import pgwire
from services.fleetdb.rules.pgwire import Counting, Frames, ProtocolError

# psql 18 (`psql "host=localhost dbname=realm-3-7-prod user=anna"`): what it sends inside TLS, without the length.
STARTUP = (
    b"\x00\x03\x00\x00user\x00anna\x00database\x00realm-3-7-prod\x00application_name\x00psql\x00"
    b"client_encoding\x00UTF8\x00\x00"
)


def test_the_first_message_of_a_client_says_who_wants_what() -> None:
    parameters = {"application_name": "psql", "client_encoding": "UTF8"}

    assert pgwire.parse_first(STARTUP) == Startup("anna", "realm-3-7-prod", parameters, 0)


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        (b"\x04\xd2\x16\x2f", Encryption.TLS),
        (b"\x04\xd2\x16\x30", Encryption.GSS),
        (b"\x04\xd2\x16\x2e\x00\x00\x00\x07abcd", Cancel(7, b"abcd")),
        (b"\x00\x03\x00\x02user\x00anna\x00\x00", Startup("anna", "anna", {}, 2)),
    ],
    ids=str,
)
def test_other_first_messages(body: bytes, meaning: Any) -> None:
    assert pgwire.parse_first(body) == meaning


@pytest.mark.parametrize(
    "body",
    [
        b"\x00\x02\x00\x00user\x00anna\x00\x00",  # version 2
        b"\x00\x03\x00\x00",
        b"\x00\x03\x00\x00\x00",
        b"\x00\x03\x00\x00user\x00anna\x00",  # no end
        b"\x00\x03\x00\x00user\x00anna\x00\x00\x00",
        b"\x00\x03\x00\x00user\x00anna\x00\x00x",
        b"\x00\x03\x00\x00database\x00plant\x00\x00",  # nobody
        b"\x00\x03\x00\x00user\x00\x00\x00",
        b"\x00\x03\x00\x00user\x00\xff\x00\x00",
        b"\x04\xd2\x16\x2e\x00\x00\x00\x07ab",  # a key too short
        b"\x04\xd2\x16\x2e\x00\x00\x00\x07" + 257 * b"k",
    ],
)
def test_a_malformed_first_message_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        pgwire.parse_first(body)


@pytest.mark.parametrize("length", [0, 7, -1, 10_001, 2**31 - 1])
def test_a_first_message_has_a_length_that_it_can_have(length: int) -> None:
    with pytest.raises(ProtocolError):
        pgwire.first_length(struct.pack("!i", length))


def test_an_http_client_is_none() -> None:
    with pytest.raises(ProtocolError):
        pgwire.first_length(b"GET ")


words = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=20)


@given(words, words, st.dictionaries(words.filter(lambda word: word not in {"user", "database"}), words, max_size=5))
def test_what_we_send_on_is_what_we_would_read(user: str, database: str, parameters: dict[str, str]) -> None:
    sent = pgwire.startup(user, database, parameters)

    assert pgwire.first_length(sent[:4]) == len(sent) - 4
    assert pgwire.parse_first(sent[4:]) == Startup(user, database, parameters)


@given(st.binary(max_size=60))
def test_whatever_comes_first_is_read_or_refused(octets: bytes) -> None:
    try:
        pgwire.parse_first(octets.ljust(4, b"\0"))
    except ProtocolError:
        return


frames = st.lists(st.tuples(st.sampled_from([b"Q", b"P", b"D", b"d", b"Z"]), st.binary(max_size=50)), max_size=8)


def pieces(octets: bytes, cuts: list[int]) -> list[bytes]:
    """`octets` cut at `cuts`."""
    places = sorted({0, len(octets), *(cut % (len(octets) + 1) for cut in cuts)})
    return [octets[start:end] for start, end in itertools.pairwise(places)]


@given(frames, st.lists(st.integers(0, 1_000), max_size=8))
def test_messages_are_whole_however_they_come_and_rows_are_counted(
    said: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    octets = b"".join(pgwire.message(tag, body) for tag, body in said)
    reading, counting = Frames(), Counting()
    read: list[Frame] = []
    begun: list[bytes] = []
    for piece in pieces(octets, cuts):
        read.extend(reading.feed(piece))
        begun += counting.feed(piece)

    assert [(frame.tag, frame.body) for frame in read] == said
    assert b"".join(frame.octets for frame in read) == octets
    assert counting.rows == sum(tag in b"Dd" for tag, _ in said)
    assert begun == [tag for tag, _ in said if tag not in b"Dd"]


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_whatever_comes_is_cut_or_refused(octets: list[bytes]) -> None:
    reading, counting = Frames(100), Counting()
    for piece in octets:
        counting.feed(piece)
        try:
            assert all(len(frame.octets) <= 100 for frame in reading.feed(piece))
        except ProtocolError:
            return


@pytest.mark.parametrize("length", [3, 0, -5, 100, 2**31 - 1])
def test_a_message_of_no_length_or_too_long_is_refused_before_it_is_kept(length: int) -> None:
    with pytest.raises(ProtocolError):
        list(Frames(100).feed(b"Q" + struct.pack("!i", length)))


@pytest.mark.parametrize("body", [b"SELECT 1", b"\xff\0", b"s1\0x"])
def test_a_malformed_statement_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        pgwire.texts(Frame(b"P", pgwire.message(b"P", body)), 2)


def test_texts_are_read_up_to_what_follows_them() -> None:
    assert pgwire.texts(Frame(b"P", pgwire.message(b"P", "s1\0SELECT 'ü'\0\0\0".encode())), 2) == ["s1", "SELECT 'ü'"]


def test_a_password_is_read() -> None:
    assert pgwire.password_of(Frame(b"p", pgwire.message(b"p", b"if_1_secret\0"))) == "if_1_secret"


@pytest.mark.parametrize(("tag", "body"), [(b"Q", b"x\0"), (b"p", b"x"), (b"p", b"\xff\0")])
def test_something_else_than_a_password_is_refused(tag: bytes, body: bytes) -> None:
    with pytest.raises(ProtocolError):
        pgwire.password_of(Frame(tag, pgwire.message(tag, body)))


@given(st.integers(-(2**31), 2**31 - 1), st.binary(min_size=4, max_size=32))
def test_a_key_is_told_and_cancels(process_id: int, key: bytes) -> None:
    told = pgwire.backend_key(process_id, key)

    assert pgwire.key_of(Frame(told[:1], told)) == Cancel(process_id, key)
    assert pgwire.parse_first(pgwire.cancel(process_id, key)[4:]) == Cancel(process_id, key)


def test_a_client_of_a_newer_minor_version_is_told_the_one_that_is_spoken() -> None:
    told = pgwire.older_wanted(Startup("anna", "plant", {"_pq_.command": "x", "timezone": "UTC"}, 2))

    assert told == b"v\x00\x00\x00\x19\x00\x00\x00\x00\x00\x00\x00\x01_pq_.command\0"


def test_an_end_says_why() -> None:
    assert pgwire.fatal("57P01", "over") == b"E\x00\x00\x00\x20SFATAL\0VFATAL\0C57P01\0Mover\0\0"


def test_nobody_learns_a_key_from_a_log() -> None:
    assert "abcd" not in repr(Cancel(7, b"abcd"))
    assert "SELECT" not in repr(Frame(b"Q", b"SELECT"))
