"""What of a head goes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.rules.headers import (
    Coming,
    our_cookie,
    switched_to_visitor,
    their_cookies,
    their_set_cookie,
    to_device,
    to_visitor,
)
from services.tunnels.rules.heads import Headers, read_head

ANNA = Coming("192.0.2.1", 5, "signed")
NOBODY = Coming("192.0.2.1", None, "")
NAMES = st.sampled_from([
    "X-IronFlock-User", "x_ironflock_assertion", "X-Forwarded-For", "X_Forwarded-Host", "Forwarded", "X-Real-IP",
    "Cookie", "Authorization", "Connection", "Keep-Alive", "TE", "Proxy-Authorization", "X-Own", "Accept",
    "X-IronFlock-Ticket",
])  # fmt: skip
VALUES = st.sampled_from(
    ["1", "a=b; __Host-ironflock-visit=c", "close, x-own", "host", "content-length", "Bearer ift_x"]
)


def sent(lines: list[tuple[str, str]], coming: Coming = ANNA, *, keeps: bool = False) -> Headers:
    text = "".join(f"{name}: {value}\r\n" for name, value in lines)
    incoming = read_head(f"POST / HTTP/1.1\r\nHost: 42-web-80.t.example\r\nContent-Length: 0\r\n{text}\r\n".encode())
    return to_device(incoming, coming, keeps_authorization=keeps)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
def test_whatever_is_sent_the_device_hears_of_identities_from_us_alone(lines: list[tuple[str, str]]) -> None:
    for coming, ours in ((ANNA, 5), (NOBODY, 3)):
        found = sent(lines, coming)
        told = [
            (name, value) for name, value in found if b"forward" in name or b"ironflock" in name.replace(b"_", b"-")
        ]
        assert len(told) == ours
        assert [value for name, value in told if name == b"x-forwarded-for"] == [b"192.0.2.1"]
        assert not [name for name, _ in found if name in (b"authorization", b"x-real-ip", b"te", b"keep-alive")]
        assert [value for name, value in found if name == b"connection"] == [b"close"]
        assert [value for name, value in found if name in (b"host", b"content-length")] == [
            b"42-web-80.t.example",
            b"0",
        ]
        assert not [value for name, value in found if b"__host-ironflock" in value.lower() and name == b"cookie"]


def test_an_authorization_of_theirs_may_go_on() -> None:
    assert (b"authorization", b"Basic eDp5") in sent([("Authorization", "Basic eDp5")], keeps=True)


def test_a_websocket_is_asked_for_at_the_device_too() -> None:
    octets = b"GET / HTTP/1.1\r\nHost: a.t.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    found = to_device(read_head(octets), NOBODY, keeps_authorization=False)
    assert [each for each in found if each[0] in (b"connection", b"upgrade")] == [
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
    ]


def test_an_answer_reaches_no_further_than_its_host() -> None:
    answer = [
        (b"connection", b"close, x-inner"), (b"x-inner", b"1"), (b"transfer-encoding", b"chunked"), (b"alt-svc", b"h3"),
        (b"content-length", b"4"), (b"clear-site-data", b'"cookies"'), (b"x-own", b"1"),
        (b"set-cookie", b"a=1; DOMAIN=.x"),
    ]  # fmt: skip
    assert to_visitor(answer) == [(b"x-own", b"1"), (b"set-cookie", b"a=1")]
    assert to_visitor([(b"content-length", b"4")]) == [(b"content-length", b"4")]
    assert switched_to_visitor([(b"upgrade", b"x"), (b"sec-websocket-accept", b"y")]) == [
        (b"sec-websocket-accept", b"y"),
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
    ]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"a=1; Domain=t.example; Path=/; Secure", b"a=1; Path=/; Secure"),
        (b"a=domain; domain ; Path=/", b"a=domain; Path=/"),
        (b"__Host-ironflock-visit=x; Path=/", None),
        (b"=__Host-ironflock-visit=x; Path=/", None),
        (b" \t__HOST-IRONFLOCK-state=x", None),
        (b"__Host-theirs=x", b"__Host-theirs=x"),
    ],
)
def test_a_device_s_cookie_is_its_own_host_s_and_none_of_ours(value: bytes, kept: bytes | None) -> None:
    assert their_set_cookie(value) == kept


def test_our_cookie_counts_once() -> None:
    name = "__Host-ironflock-visit"
    assert our_cookie([b"a=1; __Host-ironflock-visit=x"], name) == "x"
    assert our_cookie([b"__Host-ironflock-visit=x; __Host-ironflock-visit=y"], name) is None
    assert our_cookie([b"__host-ironflock-visit=x"], name) is None
    assert their_cookies([b"a=1;; b=2", b"__Host-ironflock_session=z; c"]) == b"a=1; b=2; c"
