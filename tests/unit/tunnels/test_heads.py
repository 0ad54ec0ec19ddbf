"""Heads of requests; the table of what is refused is in tests/security/test_tunnel_visitors.py."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.rules.heads import BadHeadError, is_within, label_of, read_head, tokens

DOMAIN = "tunnels.example"
ADDRESS = "42-web-80.tunnels.example"


def head(*lines: str, first: str = "GET /a?b HTTP/1.1", host: str = ADDRESS) -> bytes:
    return "\r\n".join([first, f"Host: {host}", *lines]).encode("latin-1") + b"\r\n\r\n"


def test_a_head_says_what_is_asked_for() -> None:
    found = read_head(head("X-A: b", host=f"{ADDRESS.upper()}:8458"))

    assert (found.method, found.target, found.host) == (b"GET", b"/a?b", ADDRESS)
    assert (found.authority, found.values(b"x-a"), found.is_websocket) == (f"{ADDRESS}:8458", [b"b"], False)


def test_a_whole_address_becomes_a_path_where_it_names_the_same_host() -> None:
    for target, path in (
        (f"https://{ADDRESS}/x?y", b"/x?y"),
        (f"http://{ADDRESS}", b"/"),
        (f"https://{ADDRESS}?y", b"/?y"),
    ):
        assert read_head(head(first=f"GET {target} HTTP/1.1")).target == path


def test_a_websocket_is_asked_for_by_both_headers() -> None:
    assert read_head(head("Connection: keep-alive, UPGRADE", "Upgrade: WebSocket")).is_websocket
    assert not read_head(head("Upgrade: websocket")).is_websocket
    assert not read_head(head("Connection: upgrade", "Upgrade: something")).is_websocket


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_request_or_refused(octets: bytes) -> None:
    for text in (
        octets,
        octets + b"\r\n\r\n",
        head() + octets,
        b"GET / HTTP/1.1\r\nHost: a\r\n" + octets + b"\r\n\r\n",
    ):
        try:
            found = read_head(text)
        except BadHeadError:
            continue
        assert len(found.values(b"host")) == 1
        assert len(found.values(b"content-length") + found.values(b"transfer-encoding")) <= 1


@given(st.text(alphabet="abc-.:@/ \t,[]0123", max_size=30))
def test_a_host_is_a_name_and_nothing_beside_it(host: str) -> None:
    try:
        found = read_head(head(host=host)).host
    except BadHeadError:
        return
    assert host.strip().lower().startswith(found)
    assert not set(found) & set("@/ \t,")


def test_a_label_is_one_label_before_the_domain() -> None:
    assert label_of(ADDRESS, DOMAIN) == "42-web-80"
    assert [label_of(host, DOMAIN) for host in (DOMAIN, "a.b." + DOMAIN, "a.other.example", "atunnels.example")] == [
        None
    ] * 4
    assert [is_within(host, DOMAIN) for host in ("a.b." + DOMAIN, DOMAIN, "atunnels.example")] == [True, False, False]


def test_words_of_a_list() -> None:
    assert tokens([b"A, b", b"", b" C ,"]) == {b"a", b"b", b"c"}


def test_h11_still_makes_one_of_two_lengths_which_is_why_they_are_looked_at_before() -> None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head("Content-Length: 4", "Content-Length: 4"))
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    assert [value for name, value in request.headers if name == b"content-length"] == [b"4"]
    with pytest.raises(BadHeadError, match="twice"):
        read_head(head("Content-Length: 4", "Content-Length: 4"))
