"""The audit log of the running platform: read over the bus, fetched over HTTPS, verified without the platform."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared.tlog.checkpoint import Checkpoint
from shared.tlog.errors import AbsentError
from shared.tlog.findings import Report
from shared.tlog.heads import Trust
from shared.tlog.layout import entries_path, tile_path
from shared.tlog.note import VerifierKey
from shared.tlog.verification import verify_log
from tests.harness.accounts import Stranger
from tests.harness.clients import Account
from tests.harness.recorded import wait_until_integrated
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until
from tests.integration.router_node.wire import WampError

pytestmark = pytest.mark.real
RECORD = (
    'SELECT audit.record(\'device.renamed\', \'name\', \'{"kind": "service", "key": "x", "credential": null,'
    ' "on_behalf_of": null}\', \'{"kind": "test", "key": "storm"}\', NULL, NULL, NULL, %s,'
    ' \'{"session": null, "address": null, "request": null}\', \'done\')'
)


class Log:
    """The log as `endpoints.json` says where it is."""

    def __init__(self, platform: RunningPlatform) -> None:
        content = json.loads(platform.state.endpoints.read_text(encoding="utf-8"))
        self._url = content["audit"]
        self._tls = platform.tls
        lines = Path(content["audit_key_file"]).read_text(encoding="utf-8").split()
        self.keys = [VerifierKey.parse(line) for line in lines]

    def _get(self, path: str) -> bytes:
        try:
            with urllib.request.urlopen(f"{self._url}/{path}", context=self._tls) as answer:  # noqa: S310 - https
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            raise AbsentError(path) from error

    def checkpoint(self) -> bytes:
        return self._get("checkpoint")

    def tile(self, level: int, index: int, width: int) -> bytes:
        return self._get(tile_path(level, index, width))

    def entries(self, index: int, width: int) -> bytes:
        return self._get(entries_path(index, width))

    def verified(self, last_head: Checkpoint | None = None) -> Report:
        report = verify_log(self, Trust(self.keys, last_head))
        assert report.findings == ()
        return report


def listed(owner: Account, **asked: Any) -> list[str]:
    page = owner.call("ironflock.audit.entry.list", **asked)
    return [entry["action"] for entry in page["entries"]]


def test_what_a_person_did_is_read_proved_and_verified(ironflock: RunningPlatform, owner: Account) -> None:
    device = owner.device()
    owner.flash(device["device_key"])
    wait_until_integrated(ironflock)

    report = Log(ironflock).verified()
    actions = listed(owner, device=device["device_key"])
    assert actions[-1] == "device.created"
    assert {"device.flashed", "device_credential.issued"} <= set(actions)
    (created,) = [
        entry
        for entry in owner.call("ironflock.audit.entry.list", project=device["project_key"])["entries"]
        if entry["action"] == "device.created"
    ]
    proof = owner.call("ironflock.audit.entry.proof", entry_id=created["id"])
    assert proof["entry"]["after"]["name"] == device["name"]
    assert report.head is not None
    assert proof["size"] >= report.head.size > proof["leaf_index"]


def test_a_stranger_reads_nothing_of_it(ironflock: RunningPlatform, owner: Account, stranger: Stranger) -> None:
    device = owner.device()
    wait_until_integrated(ironflock)
    (entry,) = owner.call("ironflock.audit.entry.list", device=device["device_key"])["entries"]
    other = stranger.account

    assert other.call("ironflock.audit.entry.list", device=device["device_key"])["entries"] == []
    for procedure, arguments in (
        ("ironflock.audit.entry.show", {"entry_id": entry["id"]}),
        ("ironflock.audit.entry.proof", {"entry_id": entry["id"]}),
        ("ironflock.audit.entry.list", {"project": device["project_key"]}),
        ("ironflock.audit.retention.set", {"project": device["project_key"], "days": 1}),
    ):
        with pytest.raises(WampError) as refused:
            other.call(procedure, **arguments)
        assert refused.value.uri == "ironflock.error.not_found"


@pytest.mark.parametrize("victim", ["audit", "postgres"])
def test_given_a_process_that_is_killed_when_it_is_back_then_every_committed_entry_is_in_the_log_once(
    ironflock: RunningPlatform, victim: str
) -> None:
    last = Log(ironflock).verified().head
    reason = f"storm {victim} {time.monotonic_ns()}"
    committed = 0
    killed = ironflock.pid(victim)
    try:
        with ironflock.database("svc_devices") as connection:
            for turn in range(1_500):
                if turn == 500:
                    os.kill(killed, signal.SIGKILL)
                connection.execute(RECORD, [reason])
                committed += 1
    except psycopg.OperationalError:
        assert victim == "postgres"
    wait_until(lambda: ironflock.is_back(victim, killed), 30.0, f"{victim} is back")
    wait_until_integrated(ironflock)

    Log(ironflock).verified(last)
    with ironflock.database() as connection:
        rows = connection.execute("SELECT count(*) FROM audit.entry WHERE reason = %s", [reason]).fetchone()
    assert rows is not None
    assert committed <= rows[0] <= committed + 1  # the last one's commit may have been lost on its way back
