"""A person is erased from a platform of their own: nothing there names them any more, and the log verifies."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from shared.tlog.export import verify_export
from tests.harness.accounts import add_stranger
from tests.harness.clients import join_person, run_aside
from tests.harness.commands import Flockctl
from tests.harness.published_log import PublishedLog
from tests.harness.running import RunningPlatform
from tests.harness.waiting import eventually, wait_until

pytestmark = [pytest.mark.real]
LOGIN = "Anna.Kowalczyk.7c1f@example.com"
ADDRESS = "127.94.83.72"  # hers
PERSONAL = (LOGIN, LOGIN.lower(), "kowalczyk", ADDRESS)
ENDED_S = 10.0


@pytest.fixture(scope="module")
def hers() -> Iterator[RunningPlatform]:
    """A platform whose first owner is Anna."""
    running = RunningPlatform()
    running.environment["IRONFLOCK_AUTH_FIRST_OWNER"] = LOGIN
    try:
        yield running.start()
    finally:
        running.stop()


def in_base64(octets: bytes, shift: int) -> bytes:
    """How `octets` look inside base64 where they begin `shift` octets into a group of three."""
    whole = (shift + len(octets)) // 3 * 4
    return base64.b64encode(bytes(shift) + octets)[(0, 2, 3)[shift] : whole]


def spellings() -> list[bytes]:
    """What to look for: as it is, in hexadecimal (as PostgreSQL shows octets), in base64."""
    found = []
    for octets in (text.encode() for text in PERSONAL):
        found += [octets, octets.hex().encode(), *(in_base64(octets, shift) for shift in range(3))]
    return [each.lower() for each in found]


def naming(places: dict[str, bytes]) -> list[str]:
    """The places in which one of them stands."""
    wanted = spellings()
    lowered = {place: content.lower() for place, content in places.items()}
    return [place for place, content in lowered.items() if any(word in content for word in wanted)]


def tables(platform: RunningPlatform) -> dict[str, bytes]:
    """Every row of every table of the control database, as `pg_dump` writes it."""
    found = {}
    with platform.database() as connection:
        rows = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            " AND table_schema <> 'information_schema'"
        ).fetchall()
        for schema, table in rows:
            copying = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(schema, table))
            with connection.cursor().copy(copying) as content:
                found[f"{schema}.{table}"] = b"".join(bytes(piece) for piece in content)
    return found


def files(platform: RunningPlatform) -> dict[str, bytes]:
    """Every file that the platform keeps outside PostgreSQL's data and programs: logs, heads, keys, the router's."""
    postgres = platform.state.root / "postgres"
    theirs = {postgres / "data", *postgres.glob("program-*")}
    paths = [path for path in platform.state.root.rglob("*") if path.is_file() and theirs.isdisjoint(path.parents)]
    assert any(path.suffix == ".log" for path in paths)
    return {str(path.relative_to(platform.state.root)): path.read_bytes() for path in paths}


def committed(export: Path) -> bytes:
    """An export without what was opened for its reader."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in export.read_text(encoding="utf-8").splitlines()]
    return b"\n".join(json.dumps({**line, "opened": None}).encode() for line in lines)


async def work(platform: RunningPlatform) -> int:
    """She makes a project with a flashed device, from her own address; returns the project's key."""
    async with await join_person(platform, source=ADDRESS) as anna:
        made = await anna.call("ironflock.realms.project.create", name="plant")
        device = await anna.call("ironflock.devices.device.create", project="plant", name="press")
        await anna.call("ironflock.devices.device.flash", device=device["device_key"])
        await anna.call("ironflock.audit.entry.list", account=made["owner_account_key"])
        key: int = made["project_key"]
        return key


def verified(platform: RunningPlatform) -> PublishedLog:
    """The log, seen to be well, with everything that was recorded in it."""
    wait_until(lambda: tables(platform)["audit.queue"] == b"", 30, "everything recorded is in the log")
    log = PublishedLog(platform)
    report = log.verified()
    assert report.is_well, report.findings
    return log


def kept(platform: RunningPlatform) -> dict[str, bytes]:
    """Everything that the platform has by now, beside what it serves."""
    return {**tables(platform), **files(platform)}


async def erase(platform: RunningPlatform, flockctl: Flockctl) -> dict[str, Any]:
    """She erases herself while another session of hers is open, and sees it end; returns the receipt."""
    async with await join_person(platform, source=ADDRESS) as another:
        refused = await asyncio.to_thread(flockctl.run, "account", "erase", "--confirm", LOGIN)
        assert refused.error["code"] == "conflict"
        words = ("account", "erase", "--confirm", LOGIN, "--with-projects")
        answer = await asyncio.to_thread(flockctl.json, *words)

        async def is_over() -> bool:
            return another.goodbye is not None

        await eventually(is_over, ENDED_S, "her other session is ended")
    receipt: dict[str, Any] = answer["receipt"]
    return receipt


def test_an_erased_person_is_named_nowhere_and_the_log_verifies(hers: RunningPlatform, tmp_path: Path) -> None:
    flockctl = Flockctl(hers, tmp_path)
    project = run_aside(work(hers))
    export = tmp_path / "hers.jsonl"
    flockctl.json("audit", "export", "--account", "me", "--out", str(export))
    log = verified(hers)
    assert {"auth.account", "devices.project"} <= set(naming(tables(hers)))
    assert naming({"as she reads it": export.read_bytes(), "as it is committed to": committed(export)}) == [
        "as she reads it"
    ]

    receipt = run_aside(erase(hers, flockctl))

    assert receipt["entry"] == "account.erased"
    assert flockctl.run("whoami").error["code"] == "not_authenticated"
    wait_until(lambda: "devices.project" not in naming(tables(hers)), ENDED_S, "devices forgot the name")
    assert naming(kept(hers)) == []
    log = verified(hers)
    assert naming(log.served) == []
    assert verify_export(export.read_bytes().splitlines(), log.trust).is_well, "what she exported stays provable"
    for words in ((), ("--export", str(export))):
        assert flockctl.run("audit", "verify", *words).status == 0
    assert naming({"export": exported_by_heir(hers, project, tmp_path)}) == []
    assert_no_further_owner(hers)


def exported_by_heir(platform: RunningPlatform, project: int, folder: Path) -> bytes:
    """What somebody exports who gets the project, and with it the entries of what she did."""
    heir, export, key_file = add_stranger(platform), folder / "heir.jsonl", folder / "heir-key"
    key_file.write_text(heir.account.api_key)
    with platform.database() as connection:
        connection.execute("UPDATE realms.project SET owner_account_key = %s", [heir.account_key])
        connection.execute(
            "UPDATE privileges.domain SET owner_account_key = %s WHERE kind = 'project'", [heir.account_key]
        )
    words = ("--project", str(project), "--out", str(export), "--api-key-file", str(key_file))
    assert Flockctl(platform, folder).json("audit", "export", *words)["entries"] >= 3
    return export.read_bytes()


def assert_no_further_owner(platform: RunningPlatform) -> None:
    """A restart makes neither the account nor its key again, and writes her name nowhere."""
    before = accounts(platform)
    killed = platform.kill("auth")
    wait_until(lambda: platform.is_back("auth", killed), 60, "auth is back")

    assert accounts(platform) == before
    assert naming(kept(platform)) == []


def accounts(platform: RunningPlatform) -> bytes:
    return tables(platform)["auth.account"] + tables(platform)["auth.api_key"]
