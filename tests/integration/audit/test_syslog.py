"""Syslog over TLS, against a small receiver."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from services.audit.records import Row
from services.audit.settings import Forwarder
from services.audit.syslog import SyslogSender, frame, message
from shared.posting import PostingError
from tests.integration.audit.receivers import SyslogReceiver, serving
from tests.integration.flockctl.certificates import make_certificates

ROW = Row(
    id=7,
    recorded_at=datetime(2026, 11, 25, 4, 5, 6, 7, UTC),
    service="svc_devices",
    action="device.renamed",
    aspect="name",
    actor={"kind": "person", "key": 5, "credential": None, "on_behalf_of": None},
    asset={"kind": "device", "key": 7},
    project=1,
    before=None,
    after={"name": "ä\n"},
    reason=None,
    source={"session": None, "address": None, "request": None},
    outcome="done",
    leaf_index=3,
    salt=b"s" * 32,
)
# RFC 5424 section 6: PRI VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG.
FORM = re.compile(rb"<(\d{1,3})>1 (\S+) ([!-~]{1,255}) ([!-~]{1,48}) - ([!-~]{1,32}) - (.*)", re.DOTALL)


def test_a_message_has_the_form_of_rfc_5424() -> None:
    found = FORM.fullmatch(message(ROW, "plant.example/audit"))

    assert found is not None
    assert found.groups()[:5] == (
        b"110",
        b"2026-11-25T04:05:06.000007Z",
        b"plant.example/audit",
        b"ironflock-audit",
        b"device.renamed",
    )
    said = json.loads(found[6])
    assert (said["leaf_index"], said["entry"]["id"], said["entry"]["after"]) == (3, 7, {"name": "ä\n"})
    assert b"\n" not in found[6]


def test_what_was_refused_is_a_warning() -> None:
    assert message(attrs.evolve(ROW, outcome="refused"), "h").startswith(b"<108>1 ")


@pytest.mark.parametrize(("host", "word"), [("a b", b"a?b"), ("ä", b"?"), ("", b"-"), ("x" * 300, b"x" * 255)])
def test_a_host_name_is_one_word(host: str, word: bytes) -> None:
    assert message(ROW, host).split(b" ")[2] == word


def test_a_frame_counts_octets() -> None:
    assert frame("ä".encode()) == b"2 \xc3\xa4"


@pytest.mark.asyncio
async def test_messages_arrive_whole_and_in_order(tmp_path: Path) -> None:
    certificates, receiver = make_certificates(tmp_path), SyslogReceiver()
    rows = [attrs.evolve(ROW, id=number, after={"text": "ä" * 1000}) for number in range(100)]
    async with serving(certificates, receiver.answer) as port:
        sender = SyslogSender(Forwarder("soc", "syslog", host="localhost", port=port, ca=str(certificates.ca)), "h")
        await sender.send(rows)
        await sender.send(rows[:1])

    assert receiver.messages == [message(row, "h") for row in [*rows, rows[0]]]


@pytest.mark.asyncio
async def test_given_a_receiver_that_breaks_or_is_not_the_one_when_it_is_sent_to_then_it_fails(tmp_path: Path) -> None:
    certificates, receiver = make_certificates(tmp_path), SyslogReceiver()
    receiver.breaks = 1
    async with serving(certificates, receiver.answer) as port:
        for host in ("localhost", "127.0.0.1"):
            sender = SyslogSender(Forwarder("soc", "syslog", host=host, port=port, ca=str(certificates.ca)), "h")
            with pytest.raises((PostingError, OSError)):
                await sender.send([ROW] * 1000)

    assert receiver.messages == []
