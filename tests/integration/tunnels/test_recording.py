"""Visits that are recorded: told before, sealed, read by who may, ended where they cannot be."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from twisted.internet.protocol import Protocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.connection import Connection

from services.tunnels import recording
from services.tunnels.records.messages import StartWorkConn
from services.tunnels.records.recordings import ChooseRecorded, FetchRecording, ListRecordings, RecordingPart
from services.tunnels.records.tunnels import ExposePort, PublishTunnel
from services.tunnels.records.visits import IssueTicket
from services.tunnels.streams import MuxStream
from shared.errors import ConflictError, InvalidArgumentError, NotAuthorizedError, NotFoundError
from shared.flags import AssetKind
from shared.identities import Person
from tests.harness.waiting import wait_until
from tests.integration.database import Postgres
from tests.integration.flockctl.certificates import Certificates
from tests.integration.tunnels.rooms import ANNA, BERT, PLANT, PRESS, agent
from tests.integration.tunnels.web import key_of
from tests.integration.tunnels.whole import Whole, whole

pytestmark = pytest.mark.real
CONSOLE = "/visit/press-1/console/23"


@pytest.fixture(name="site")
def fixture_site(postgres: Postgres, certificates: Certificates) -> Iterator[Whole]:
    with whole(postgres, certificates) as made:
        yield made


class Greeting(Protocol):
    """A console that greets, and says what it was told."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write("grüß Gott\r\n$ ".encode())

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(b"ran\r\n$ ")


def console(site: Whole, *apps: str) -> int:
    """A console of the press, offered; the apps that are recorded. Returns the tunnel's key."""
    tunnel = site.declare("press-1", "console", 23, "tcp")
    port = site.do(site.rooms.agents.expose_port(agent(), ExposePort())).remote_port

    def work(stream: MuxStream, _start: StartWorkConn, first: bytes) -> None:
        stream.attach(Greeting(), first)

    client = site.device(work=work)
    assert not site.offer(client, f"{PRESS}-console-23-tcp", port)
    choose(site, *apps)
    return tunnel.tunnel_key


def choose(site: Whole, *apps: str, by: Person = ANNA) -> list[str]:
    found: list[str] = site.do(site.rooms.recorded.recording_choose(by, ChooseRecorded("plant", list(apps)))).apps
    return found


def fetched(site: Whole, visit: int, by: Person = ANNA) -> RecordingPart:
    part: RecordingPart = site.do(site.rooms.recorded.recording_fetch(by, FetchRecording(visit)))
    return part


def ended(site: Whole) -> dict[str, Any]:
    """The entry of the end of the one visit."""
    wait_until(lambda: "tunnel_visit.ended" in {each[0] for each in site.rooms.entries()}, 5, "the visit is over")
    [entry] = [each[3] for each in site.rooms.entries() if each[0] == "tunnel_visit.ended"]
    assert entry is not None
    return entry


def why(visitor: Connection) -> str:
    """Why a visit ends, once it does."""
    with suppress(ConnectionClosed):
        while True:
            visitor.recv(10)
    return visitor.close_reason or ""


def recorded_visit(site: Whole, secret: bytes = b"secret-word\n") -> int:
    """A visit that is recorded and over; its key."""
    with site.come(key_of(site), CONSOLE) as visitor:
        assert visitor.response is not None
        assert visitor.response.headers["X-IronFlock-Recorded"] == "yes"
        assert visitor.recv(10) == "grüß Gott\r\n$ ".encode()
        visitor.send(secret)
        assert visitor.recv(10) == b"ran\r\n$ "
    return int(ended(site)["visit_key"])


def test_what_the_device_showed_is_recorded_and_read_by_who_may(site: Whole) -> None:
    console(site, "console")
    visit = recorded_visit(site)

    part = fetched(site, visit)

    head, *events = [json.loads(line) for line in part.cast.splitlines()]
    assert head["version"] == 2
    assert "".join(data for _, code, data in events if code == "o") == "grüß Gott\r\n$ ran\r\n$ "
    assert "secret-word" not in part.cast
    digest = hashlib.sha256(part.cast.encode()).hexdigest()
    assert (part.sha256, part.next) == (digest, None)
    assert ended(site)["recording"] == {"is_whole": True, "sha256": digest, "octets": len(part.cast)}
    assert site.rooms.entries()[-1][0] == "tunnel_recording.fetched"
    sealed = b"".join(row[0] for row in site.rooms.postgres.rows("SELECT sealed FROM tunnels.recording_part"))
    assert b"Gott" not in sealed
    listed = site.do(site.rooms.recorded.recording_list(ANNA, ListRecordings(PLANT)))
    assert (listed.apps, [each.visit_key for each in listed.recordings]) == (["console"], [visit])


def test_who_may_not_read_the_log_reads_no_recording(site: Whole) -> None:
    console(site, "console")
    visit = recorded_visit(site)
    site.rooms.rights.give(7, PLANT, AssetKind.PROJECT, PLANT, "READ", "INSTALL_APPS")
    member = Person(7, 13, "key-7")

    for by, refusal in ((BERT, NotFoundError), (member, NotAuthorizedError)):
        with pytest.raises(refusal):
            fetched(site, visit, by)
        with pytest.raises(refusal):
            site.do(site.rooms.recorded.recording_list(by, ListRecordings(PLANT)))
        with pytest.raises(refusal):
            choose(site, by=by)
    with pytest.raises(NotFoundError):
        fetched(site, visit + 1)
    assert "tunnel_recording.fetched" not in {each[0] for each in site.rooms.entries()}


def test_whoever_takes_a_ticket_is_told(site: Whole) -> None:
    key = console(site)

    assert not site.do(site.rooms.visits.ticket_issue(ANNA, IssueTicket(key))).is_recorded
    choose(site, "console", "Console ")
    assert site.do(site.rooms.visits.ticket_issue(ANNA, IssueTicket(key))).is_recorded
    chosen = [each[3] for each in site.rooms.entries() if each[0] == "tunnel_recording.chosen"]
    assert chosen == [{"apps": ["console"]}]
    with pytest.raises(InvalidArgumentError):
        choose(site, "a b")


def test_who_is_there_unrecorded_is_cut_once_it_is_asked_for(site: Whole) -> None:
    console(site)
    with site.come(key_of(site), CONSOLE) as visitor:
        assert visitor.response is not None
        assert "X-IronFlock-Recorded" not in visitor.response.headers
        visitor.recv(10)
        choose(site, "console")
        assert why(visitor) == "closed"

    assert "recording" not in ended(site)


def test_what_cannot_be_recorded_does_not_begin_and_does_not_go_on(site: Whole) -> None:
    console(site, "console")
    with site.come(key_of(site), CONSOLE) as visitor:
        visitor.recv(10)
        site.rooms.postgres.run("ALTER TABLE tunnels.recording_part RENAME TO hidden")
        try:
            visitor.send(b"x")
            reason = why(visitor)
        finally:
            site.rooms.postgres.run("ALTER TABLE tunnels.hidden RENAME TO recording_part")
    assert reason == "not_recorded"
    assert ended(site)["recording"]["is_whole"] is False

    site.rooms.postgres.run("ALTER TABLE tunnels.recording RENAME TO hidden")
    try:
        with pytest.raises(InvalidStatus) as refused:
            site.come(key_of(site), CONSOLE)
    finally:
        site.rooms.postgres.run("ALTER TABLE tunnels.hidden RENAME TO recording")
    assert refused.value.response.status_code == 503


def test_whoever_shows_more_than_is_written_is_ended(site: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_WAITING_OCTETS", 10)
    console(site, "console")

    with site.come(key_of(site), CONSOLE) as visitor:
        assert why(visitor) == "not_recorded"


def test_where_there_is_no_room_for_a_recording_nobody_comes_and_what_is_there_stays(site: Whole) -> None:
    console(site, "console")
    visit = recorded_visit(site)
    site.rooms.postgres.run("UPDATE tunnels.recording SET octets = 1 << 30")

    with pytest.raises(InvalidStatus) as refused:
        site.come(key_of(site), CONSOLE)

    assert refused.value.response.status_code == 429
    assert b"over_limit" in (refused.value.response.body or b"")
    wait_until(lambda: (visit + 1, "not_recorded") in causes(site), 30, "the second visit is over")
    assert fetched(site, visit).sha256 is not None
    choose(site)
    with site.come(key_of(site), CONSOLE) as visitor:
        assert visitor.recv(10) == "grüß Gott\r\n$ ".encode()


def causes(site: Whole) -> list[tuple[Any, ...]]:
    return site.rooms.postgres.rows("SELECT visit_key, cause FROM tunnels.visit WHERE cause IS NOT NULL")


def test_a_recorded_tunnel_cannot_be_public(site: Whole) -> None:
    key = console(site, "console")

    with pytest.raises(ConflictError):
        site.do(site.rooms.people.tunnel_publish(ANNA, PublishTunnel(key)))


def test_long_recordings_come_in_pieces_and_go_after_their_time(site: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "PART_OCTETS", 20)
    monkeypatch.setattr(recording, "PARTS_AT_ONCE", 2)
    console(site, "console")
    visit = recorded_visit(site)

    parts = [fetched(site, visit)]
    while (number := parts[-1].next) is not None:
        parts.append(site.do(site.rooms.recorded.recording_fetch(ANNA, FetchRecording(visit, number))))
    assert len(parts) > 2
    cast = "".join(each.cast for each in parts)
    assert hashlib.sha256(cast.encode()).hexdigest() == parts[0].sha256

    site.rooms.postgres.run("UPDATE tunnels.recording SET began_at = now() - interval '31 days'")
    site.do(site.rooms.parts.recordings.sweep_recordings())
    with pytest.raises(NotFoundError):
        fetched(site, visit)
    assert site.rooms.postgres.rows("SELECT count(*) FROM tunnels.recording_part") == [(0,)]
