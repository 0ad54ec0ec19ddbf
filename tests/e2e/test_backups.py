"""An installation is made anew out of backups that were taken while it worked: what was acknowledged is there again.

What was ended after the last backup is not.
"""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
from attrs import frozen

from deploy.backup.wal import SLOT
from shared.api_keys import key_id
from tests.harness.accounts import Stranger, add_stranger, make_members
from tests.harness.backup_load import Load, Told, assert_nothing_is_lost, load
from tests.harness.clients import Account, new_name
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.real

LEDGER_S = 30.0
APPS = 5


@pytest.fixture
def another() -> Iterator[RunningPlatform]:
    """A folder and ports for an installation; it is not started."""
    running = RunningPlatform()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def backed_up(ironflock: RunningPlatform) -> Iterator[RunningPlatform]:
    """The shared platform, which keeps no log for backups afterwards."""
    yield ironflock
    with ironflock.database() as connection, contextlib.suppress(Exception):
        connection.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])


@frozen
class Safe:
    """What is kept elsewhere: backups, the identity that opens them, the key that signed them, the ledger."""

    folder: Path
    recipient: str

    @property
    def to(self) -> tuple[str, ...]:
        """How a backup is told where to go."""
        return ("--to", str(self.folder / "backups"), "--recipient", self.recipient)

    @property
    def opened(self) -> tuple[str, ...]:
        """How a drill or a restore is told where to look."""
        return ("--from", str(self.folder / "backups"), "--identity-file", str(self.folder / "identity.txt"))


@pytest.fixture
def safe(tmp_path: Path) -> Safe:
    """A safe with an identity in it."""
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "identity.txt").write_text(f"# kept elsewhere\n{identity}\n")
    return Safe(tmp_path, str(identity.to_public()))


@frozen
class Lost:
    """What was worked, what was acknowledged before the last backup began, and in all; what was ended after it."""

    worked: Load
    before: Told
    in_all: Told
    stranger: Stranger
    held: tuple[str, ...]


def lived_through(platform: RunningPlatform, flockctl: Flockctl, safe: Safe, apps: int) -> Lost:
    """Backups under load; then a right is taken and a key ended, of which the ledger alone tells."""
    owner = Account(platform, platform.owner_key)
    project, stranger = owner.project(), add_stranger(platform)
    with load(platform, owner, project, apps) as worked:
        device = worked.make_device()
        make_members(platform, project, [stranger], [("device", device, "OPERATE")])
        kinds = [flockctl.json("backup", "create", *safe.to)["backup"]["kind"] for _ in range(2)]
        before = worked.told()
        kinds.append(flockctl.json("backup", "wal", *safe.to)["backup"]["kind"])
    assert kinds == ["full", "incremental", "wal"]
    held = ("--on", f"device:{device}", "--project", str(project))
    flockctl.json("revoke", stranger.login_name, "OPERATE", *held, "--because", "shift over")
    named = key_id(stranger.account.api_key)
    stranger.account.call("ironflock.auth.api_key.end", key_id=named, reason="left on a train")
    wait_until(lambda: named in platform.state.ledger.read_text(), LEDGER_S, "the ledger has it")
    shutil.copy(platform.state.ledger, safe.folder / "ledger")
    (safe.folder / "backup-key").write_text(flockctl.json("backup", "key")["key"])
    return Lost(worked, before, worked.told(), stranger, held)


def restored(flockctl: Flockctl, safe: Safe, into: RunningPlatform, *words: str) -> Any:
    """What `flockctl restore` says."""
    key = str(safe.folder / "backup-key")
    return flockctl.json("restore", *safe.opened, "--key-file", key, "--into", str(into.state.root), *words)["restored"]


def look(platform: RunningPlatform, flockctl: Flockctl, lost: Lost) -> None:
    """What must be there is, and what must not is not."""
    assert_nothing_is_lost(platform, lost.worked, lost.before, lost.in_all)
    assert flockctl.run("can", lost.stranger.login_name, "OPERATE", *lost.held).status == 4
    file = flockctl.folder / "stolen-key"
    file.write_text(lost.stranger.account.api_key)
    file.chmod(0o600)
    assert flockctl.run("whoami", "--api-key-file", str(file)).error["code"] == "not_authenticated"
    assert flockctl.json("audit", "verify")["well"] is True


def test_a_backup_brings_back_what_was_acknowledged_and_nothing_that_was_ended_since(
    backed_up: RunningPlatform, flockctl: Flockctl, safe: Safe, another: RunningPlatform, tmp_path: Path
) -> None:
    lost = lived_through(backed_up, flockctl, safe, apps=1)

    told = restored(flockctl, safe, another, "--ledger", str(safe.folder / "ledger"))
    another.start()

    assert told["replayed"] >= 2
    look(another, Flockctl(another, tmp_path), lost)


def say(lost: Lost) -> None:
    """For who ran this to see them."""
    rows = sum(map(len, lost.before.rows.values()))
    told = lost.before
    counts = f"{rows} rows, {len(told.devices)} devices, {len(told.given)} grants ({len(told.taken)} taken again)"
    print(  # noqa: T201
        f"\n{counts}, {len(told.leaves)} entries acknowledged before the point: each is there once"
    )


@pytest.mark.soak
def test_everything_destroyed_comes_back_on_the_spot(safe: Safe, another: RunningPlatform, tmp_path: Path) -> None:
    flockctl = Flockctl(another.start(), tmp_path)
    lost = lived_through(another, flockctl, safe, apps=APPS)
    drilled = flockctl.json("backup", "drill", *safe.opened)["drill"]
    another.end()
    shutil.rmtree(another.state.root)

    restored(flockctl, safe, another, "--ledger", str(safe.folder / "ledger"))
    another.start()

    assert drilled["failures"] == []
    assert drilled["rows"]["devices"] >= len(lost.before.devices)
    look(another, flockctl, lost)
    say(lost)
    assert flockctl.json("backup", "create", *safe.to)["backup"]["kind"] == "full"


def test_a_ledger_has_no_name_of_anybody(ironflock: RunningPlatform, owner: Account) -> None:
    stranger, project = add_stranger(ironflock), owner.project()
    make_members(ironflock, project, [stranger], [])
    owner.call("ironflock.privileges.member.remove", project=project, account=stranger.account_key)

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in ironflock.state.ledger.read_text().splitlines()]

    wait_until(lambda: any(line["project"] == project for line in lines()), LEDGER_S, "the ledger has it")
    assert stranger.login_name not in ironflock.state.ledger.read_text()


def test_who_may_not_open_a_backup_and_what_was_not_signed_are_refused(
    backed_up: RunningPlatform, flockctl: Flockctl, safe: Safe, tmp_path: Path
) -> None:
    made = flockctl.json("backup", "create", *safe.to, "--full")["backup"]["backup"]
    stranger = pyrage.x25519.Identity.generate()
    (tmp_path / "stranger.txt").write_text(f"{stranger}\n")
    (tmp_path / "other-key").write_text("ironflock.local/backup+00000000+" + new_name(""))

    from_ = ("--from", str(safe.folder / "backups"))
    into = ("--into", str(tmp_path / "state"), "--yes")
    key = ("--key-file", str(tmp_path / "other-key"))

    drill = flockctl.run("backup", "drill", *from_, "--identity-file", str(tmp_path / "stranger.txt"))
    assert drill.error["code"] == "backup_failed"
    assert flockctl.run("restore", *safe.opened, *key, *into).error["code"] == "backup_failed"
    assert not (tmp_path / "state").exists()
    assert flockctl.json("backup", "prune", *from_, "--keep", "1d", "--yes") == {"deleted": []}
    assert [each["backup"] for each in flockctl.json("backup", "list", *from_)["backups"]] == [made]
