"""One HTTPS POST: what comes back, and what is not believed."""

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from shared import posting
from shared.posting import (
    MAX_ANSWER_OCTETS,
    MOST_ADDRESSES,
    MOST_AT_ONCE,
    TIMEOUT_S,
    PostingError,
    fetch,
    post,
)
from tests.integration.audit.receivers import HttpReceiver, serving
from tests.integration.auth.standin import Answer, StandIn
from tests.integration.flockctl.certificates import make_certificates

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_post_brings_status_and_content(tmp_path: Path) -> None:
    certificates, receiver = make_certificates(tmp_path), HttpReceiver()
    receiver.answer_of = lambda body: (409, body[::-1])
    async with serving(certificates, receiver.answer) as port:
        reply = await post(f"https://localhost:{port}/a/b?c=d", b"xyz", {"x-y": "z"}, str(certificates.ca))

    assert (reply.status, reply.content) == (409, b"zyx")
    assert receiver.requests[0][0] == "POST /a/b?c=d HTTP/1.1"
    assert receiver.requests[0][1]["x-y"] == "z"


async def test_given_a_peer_that_is_not_verified_or_not_there_when_it_is_posted_to_then_it_fails(
    tmp_path: Path,
) -> None:
    (tmp_path / "other").mkdir()
    certificates, other = make_certificates(tmp_path), make_certificates(tmp_path / "other")
    receiver = HttpReceiver()
    async with serving(certificates, receiver.answer) as port:
        for url, ca in (
            (f"https://localhost:{port}", other.ca),
            (f"https://127.0.0.1:{port}", certificates.ca),
        ):
            with pytest.raises(PostingError):
                await post(url, b"x", {}, str(ca))
    with pytest.raises(PostingError):
        await post(f"https://localhost:{port}", b"x", {}, str(certificates.ca))

    assert receiver.requests == []


async def test_a_get_brings_what_lies_there_and_follows_nothing(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    with StandIn(certificates, lambda: 0.0) as standin:
        standin.answers["/a"] = lambda *_: (200, {}, b"x" * MAX_ANSWER_OCTETS)
        standin.answers["/b"] = lambda *_: (302, {"location": "/a"}, b"there")
        whole = await fetch(f"{standin.issuer}/a?b=c", {"x-y": "z"}, str(certificates.ca))
        sent_on = await fetch(f"{standin.issuer}/b", {}, str(certificates.ca))

    assert (whole.status, len(whole.content)) == (200, MAX_ANSWER_OCTETS)
    assert (sent_on.status, sent_on.content) == (302, b"there")
    assert standin.asked == ["/a", "/b"]


async def test_many_that_are_slow_hold_up_no_other(tmp_path: Path) -> None:
    certificates, let_go = make_certificates(tmp_path), threading.Event()

    def slow(*_: object) -> Answer:
        let_go.wait(30)
        return 200, {}, b"late"

    with StandIn(certificates, lambda: 0.0) as standin:
        standin.answers["/slow"] = slow
        standin.answers["/quick"] = lambda *_: (200, {}, b"at once")
        slowly = [
            asyncio.ensure_future(fetch(f"{standin.issuer}/slow", {}, str(certificates.ca)))
            for _ in range(MOST_AT_ONCE // 2)
        ]
        try:
            quick = await fetch(f"{standin.issuer}/quick", {}, str(certificates.ca))
            assert not any(each.done() for each in slowly)
        finally:
            let_go.set()
            late = await asyncio.gather(*slowly)

    assert quick.content == b"at once"
    assert {each.content for each in late} == {b"late"}


async def test_what_is_too_large_not_whole_or_too_slow_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "MAX_TIME_S", 0.5)
    certificates, let_go = make_certificates(tmp_path), threading.Event()

    def slow(*_: object) -> Answer:
        let_go.wait(30)
        return 200, {}, b""

    with StandIn(certificates, lambda: 0.0) as standin:
        standin.answers["/large"] = lambda *_: (200, {}, b"x" * (MAX_ANSWER_OCTETS + 1))
        standin.answers["/slow"] = slow
        for path, told in (("/large", "too large"), ("/slow", "localhost: ")):
            with pytest.raises(PostingError, match=told):
                await fetch(standin.issuer + path, {}, str(certificates.ca))
        let_go.set()


async def test_an_answer_that_breaks_off_is_none(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    async with serving(certificates, breaking_off) as port:
        with pytest.raises(PostingError, match="not whole"):
            await fetch(f"https://localhost:{port}/", {}, str(certificates.ca))


async def breaking_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
    await writer.drain()
    writer.close()


async def test_an_answer_that_trickles_is_cut_also_where_its_connection_is_to_be_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "MAX_TIME_S", 0.5)
    certificates = make_certificates(tmp_path)
    async with serving(certificates, trickling) as port, asyncio.timeout(10):
        with pytest.raises(PostingError):
            await fetch(f"https://localhost:{port}/", {}, str(certificates.ca))


async def trickling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An octet now and then, for more than twenty seconds."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n")
    for _ in range(400):
        if reader.at_eof():
            break
        writer.write(b"x")
        await asyncio.sleep(0.05)
    writer.close()


async def test_of_many_addresses_that_answer_nothing_three_are_tried_and_no_longer_than_there_is_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []

    def swallow(_: object, timeout_s: float) -> socket.socket:
        waited.append(timeout_s)
        raise TimeoutError

    name(monkeypatch, *(f"192.0.2.{number}" for number in range(1, 51)))
    monkeypatch.setattr(socket, "create_connection", swallow)
    with pytest.raises(PostingError, match="TimeoutError"):
        await post("https://hooks.example.com/", b"x", {}, None)
    assert waited == [TIMEOUT_S] * MOST_ADDRESSES

    waited.clear()
    monkeypatch.setattr(posting, "MAX_TIME_S", 1.0)
    with pytest.raises(PostingError, match="TimeoutError"):
        await post("https://hooks.example.com/", b"x", {}, None)
    assert len(waited) == MOST_ADDRESSES
    assert all(0 < each <= 1.0 for each in waited)


async def test_nobody_is_connected_to_or_told_anything_when_the_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates, receiver, late = make_certificates(tmp_path), HttpReceiver(), threading.Event()
    real = socket.create_connection

    def slow(*told: Any) -> socket.socket:
        late.wait(0.6)
        return real(*told)

    async with serving(certificates, receiver.answer) as port:
        monkeypatch.setattr(posting, "MAX_TIME_S", 0.3)
        monkeypatch.setattr(socket, "create_connection", slow)
        with pytest.raises(PostingError):
            await post(f"https://localhost:{port}/", b"x", {}, str(certificates.ca))
        monkeypatch.setattr(posting, "MAX_TIME_S", 0.0)
        with pytest.raises(PostingError):
            await post(f"https://localhost:{port}/", b"x", {}, str(certificates.ca))

    assert receiver.requests == []


def name(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Every name has these addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
