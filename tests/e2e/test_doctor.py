"""The doctor on a real platform: what was planted is found, and gone when it is taken away again."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from deploy.flockctl.doctor.within import UNSEEN
from deploy.local.state import REPOSITORY
from tests.harness.accounts import add_stranger
from tests.harness.clients import Account
from tests.harness.commands import FLOCKCTL, Flockctl
from tests.harness.faults import BORNE, COSTLY, UNSAFE, Plant, lost_log
from tests.harness.running import RunningPlatform

pytestmark = pytest.mark.real

# What no other test does to the shared platform, and no machine is too slow or too full for.
NEVER = {
    "certificate_ends", "certificate_not_chained", "certificate_key_differs", "listener_silent", "old_tls",
    "clock_apart", "database_away", "database_without_tls", "postgres_version", "audit_log", "open_sign_up",
    "any_address", "cell_away", "cell_not_placed", "file_open_to_others", "weak_secret", "superuser", "migrations",
    "cluster_away", "keys_lost", "loose_limit", "restored_without_ledger", "transaction_open", "wal_kept",
}  # fmt: skip
MUST_SHOW = 15


def found(flockctl: Flockctl) -> dict[str, str]:
    """What the doctor finds, by code: the sentences."""
    outcome = flockctl.run("doctor")
    assert outcome.status in {0, 1, 2}, outcome.err
    told = json.loads(outcome.out)
    assert outcome.status == max((2 if each["severity"] == "problem" else 1 for each in told["findings"]), default=0)
    sentences: dict[str, str] = {}
    for each in told["findings"]:
        sentences[each["code"]] = f"{sentences.get(each['code'], '')} {each['what']}"
    return sentences


@contextmanager
def planted(platform: RunningPlatform, plants: Mapping[str, Plant]) -> Iterator[dict[str, str]]:
    """All these faults at once, while the block runs: by code, what a sentence of the doctor must name."""
    with ExitStack() as stack:
        yield {code: stack.enter_context(plant(platform)) for code, plant in plants.items()}


def from_within(platform: RunningPlatform, folder: Path) -> dict[str, str]:
    """What the CronJob of a cluster finds, by code; what it wrote lies in `folder`."""
    state = platform.state
    told = {
        "CA_FILE": state.ca_certificate,
        "DATABASE_HOST": "localhost",
        "DATABASE_PORT": platform.ports.postgres,
        "DATABASE_PASSWORD_FILE": state.database_secrets / "doctor",
        "PARTS": ",".join(f"{name}=localhost:{port}" for name, port in platform.ports.operations.items()),
        "BUS_URL": "wss://localhost:8444/ws-svc",
        "AUDIT": state.root,
        "STATE": state.root,
        "TO": state.root,
    }
    environment = platform.environment | {f"IRONFLOCK_DOCTOR_{name}": str(value) for name, value in told.items()}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.scheduled", "doctor"],
        cwd=REPOSITORY, env=environment, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    (folder / "doctor.json").write_bytes(done.stdout)
    return {each["code"]: each["what"] for each in json.loads(done.stdout)["findings"]}


def test_a_running_platform_is_well_and_each_planted_fault_is_found(
    ironflock: RunningPlatform, flockctl: Flockctl
) -> None:
    before = found(flockctl)
    with planted(ironflock, BORNE) as named:
        during = found(flockctl)
        within = from_within(ironflock, flockctl.folder)
    again = flockctl.run("doctor", "--seen", "doctor.json")
    report = flockctl.run("compliance", "report", "--seen", "doctor.json")
    after = found(flockctl)

    assert len(named) >= MUST_SHOW
    assert NEVER & set(before) == set(), before
    assert missed(named, during) == {}, during
    assert NEVER & set(after) == set(), after
    assert {"superuser", "migrations", "outbox_stuck", "legacy_mode"} <= within.keys()
    assert not within.keys() & (NEVER - named.keys() | UNSEEN.keys()), within
    assert {each["code"]: each["what"] for each in json.loads(again.out)["findings"]} == within
    assert again.status == 2
    controls = {each["control"]: each["status"] for each in json.loads(report.out)["controls"]}
    assert controls["A.8.13"] == "failed"  # nobody has made a backup of it


def missed(named: Mapping[str, str], sentences: Mapping[str, str]) -> dict[str, str]:
    """The faults that no sentence tells of."""
    return {code: name for code, name in named.items() if name not in sentences.get(code, "")}


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_what_a_platform_has_to_be_started_with_or_is_harmed_by_is_found_too(tmp_path: Path) -> None:
    platform = RunningPlatform()
    platform.environment.update(UNSAFE.values())
    try:
        flockctl = Flockctl(platform.start(), tmp_path)
        before = found(flockctl)
        with planted(platform, COSTLY) as named:
            during = found(flockctl)
        with planted(platform, {"wal_kept": lost_log}) as named_then:
            then = found(flockctl)
        after = found(flockctl)
    finally:
        platform.stop()

    assert UNSAFE.keys() <= before.keys()
    assert COSTLY.keys() & before.keys() == set()
    assert missed(named, during) == {}, during
    assert missed(named_then, then) == {}, then
    assert {"wal_kept", "connections_taken"} & after.keys() == set()


def script(platform: RunningPlatform, name: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    """What an operator schedules, run once."""
    path = f"{Path(FLOCKCTL).parent}:{os.environ['PATH']}"
    return subprocess.run(
        [REPOSITORY / "deploy" / "operator" / name, *words],
        env={**platform.environment, "PATH": path}, capture_output=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.soak
def test_what_an_operator_schedules_does_what_it_says(
    ironflock: RunningPlatform, flockctl: Flockctl, owner: Account
) -> None:
    stranger = add_stranger(ironflock)
    project = owner.project()

    flockctl.json("grant", stranger.login_name, "AUDIT", "--on", f"project:{project}", "--visit", "--for", "1d")
    runs = [script(ironflock, "offboard.sh", stranger.login_name, "gone") for _ in range(2)]
    capacity = script(ironflock, "capacity.sh")
    before = ironflock.state.person_keys.read_bytes()
    keys = script(ironflock, "keys.sh")

    assert [each.returncode for each in runs] == [0, 0], runs
    locks = flockctl.json("lock", "list")["locks"]
    assert [each["key"] for each in locks].count(str(stranger.account_key)) == 1
    assert f"AUDIT on project {project}".encode() in runs[0].stdout, runs[0]
    assert b"devices: " in capacity.stdout
    assert keys.returncode == 0, keys
    assert ironflock.state.person_keys.read_bytes() != before
    assert project
