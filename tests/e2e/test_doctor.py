"""The doctor on a real platform: what was planted is found, and gone when it is taken away again."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.state import REPOSITORY
from tests.harness.accounts import add_stranger
from tests.harness.clients import Account
from tests.harness.commands import FLOCKCTL, Flockctl
from tests.harness.running import RunningPlatform

pytestmark = pytest.mark.real

# What no other test does to the shared platform, and no machine is too slow or too full for.
NEVER = {
    "certificate_ends", "certificate_not_chained", "certificate_key_differs", "listener_silent", "old_tls",
    "clock_apart", "database_away", "database_without_tls", "postgres_version", "audit_log", "open_sign_up",
    "any_address", "cell_away", "cell_not_placed", "file_open_to_others", "weak_secret", "superuser", "migrations",
}  # fmt: skip
PLANTED = {
    "file_open_to_others": "svc_gateway", "weak_secret": "svc_planted", "superuser": "planted",
    "migrations": "schema tunnels", "outbox_stuck": "auth.message",
}  # fmt: skip


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
def planted(platform: RunningPlatform, project: int) -> Iterator[None]:
    """Faults that a running platform bears."""
    secret = platform.state.bus_secrets / "svc_gateway"
    weak = platform.state.bus_secrets / "svc_planted"
    secret.chmod(0o644)
    weak.write_text("secret")
    weak.chmod(0o600)
    with platform.database() as connection:
        connection.execute("CREATE ROLE planted SUPERUSER LOGIN")
        connection.execute("INSERT INTO tunnels.migration (number, name, digest) VALUES (9000, '9000_planted', 'x')")
        connection.execute(
            "INSERT INTO auth.message (message_id, sealed, created_at, next_attempt_at)"
            " VALUES (gen_random_uuid(), '\\x00', now() - interval '1 hour', now() + interval '1 day')"
        )
        connection.execute(
            "UPDATE realms.project SET legacy_mode = 'own_realm_only', legacy_until = now() + interval '1 day'"
            " WHERE project_key = %s",
            [project],
        )
        try:
            yield
        finally:
            connection.execute("UPDATE realms.project SET legacy_mode = 'strict' WHERE project_key = %s", [project])
            connection.execute("DELETE FROM auth.message WHERE sealed = '\\x00'")
            connection.execute("DELETE FROM tunnels.migration WHERE number = 9000")
            connection.execute("DROP ROLE planted")
            weak.unlink()
            secret.chmod(0o600)


def test_a_running_platform_is_well_and_each_planted_fault_is_found(
    ironflock: RunningPlatform, flockctl: Flockctl, owner: Account
) -> None:
    project = owner.project()
    project_name = owner.call("ironflock.realms.project.show", project=project)["name"]

    before = found(flockctl)
    with planted(ironflock, project):
        during = found(flockctl)
    after = found(flockctl)

    assert NEVER & set(before) == set(), before
    for code, name in PLANTED.items():
        assert name in during.get(code, ""), code
    assert project_name in during["legacy_mode"]
    assert NEVER & set(after) == set(), after


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

    runs = [script(ironflock, "offboard.sh", stranger.login_name, "gone") for _ in range(2)]
    capacity = script(ironflock, "capacity.sh")
    before = ironflock.state.person_keys.read_bytes()
    keys = script(ironflock, "keys.sh")

    assert [each.returncode for each in runs] == [0, 0], runs
    locks = flockctl.json("lock", "list")["locks"]
    assert [each["key"] for each in locks].count(str(stranger.account_key)) == 1
    assert b"devices: " in capacity.stdout
    assert keys.returncode == 0, keys
    assert ironflock.state.person_keys.read_bytes() != before
    assert project
