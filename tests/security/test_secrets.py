"""Secrets stay where they belong: in no log, no argument list, no file that others can read, no data in clear."""

import asyncio
import json
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.harness.clients import Account, authid_of, join_device, join_person, new_name, refusal
from tests.harness.commands import Flockctl
from tests.harness.processes import command_lines
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until
from tests.integration.router_node.wire import AbortedError, WampError

pytestmark = pytest.mark.real

WRONG = "a-wrong-secret-that-somebody-typed-1234567890"


def secrets_of(platform: RunningPlatform) -> dict[str, bytes]:
    """Every secret that the launcher made, by the file that holds it."""
    files = [*platform.state.secrets.rglob("*"), platform.state.owner_api_key]
    found = {str(file): file.read_bytes().strip() for file in files if file.is_file()}
    keys: Mapping[str, str] = json.loads(platform.state.master_keys.read_bytes())["keys"]
    return found | {f"master key {name}": key.encode() for name, key in keys.items()}


@pytest.fixture(scope="module")
def secrets(ironflock: RunningPlatform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Traffic in which all kinds of secrets are used, rightly and wrongly; and the secrets."""
    owner = Account(ironflock, ironflock.owner_key)
    flock = owner.flashed()
    flockctl = Flockctl(ironflock, tmp_path_factory.mktemp("secrets"))
    (flockctl.folder / "press.flock").write_text(json.dumps(flock), encoding="utf-8")
    with flockctl.running("simulate", "--flock", "press.flock") as simulation:
        wait_until(lambda: "online" in simulation.states().values(), 30, "the device is online")
    app_key = asyncio.run(use_secrets(ironflock, flock))
    flockctl.json("device", "flash", str(flock["device_key"]), "--out", "again.flock")
    again = json.loads((flockctl.folder / "again.flock").read_text(encoding="utf-8"))
    used = {"first secret": flock["secret"], "second secret": again["secret"], "app_cred_key": app_key, "typed": WRONG}
    return secrets_of(ironflock) | {name: secret.encode() for name, secret in used.items()}


async def use_secrets(platform: RunningPlatform, flock: Mapping[str, str]) -> str:
    await refusal(platform, "/ws-re-dev", "realm1", authid_of(flock), WRONG)
    await refusal(platform, "/ws-svc", "realm1", authid_of(flock), flock["secret"])
    for ticket in (WRONG, flock["secret"], platform.owner_key[:-1] + "!"):
        with pytest.raises(AbortedError):
            await (await join_person(platform, ticket)).drop()
    async with await join_device(platform, flock) as device:
        app_key: str = await device.call("reswarm.devices.get_app_cred_key")
        return app_key


def findings(named: Mapping[str, bytes], octets: bytes) -> list[str]:
    return [name for name, secret in named.items() if secret in octets]


def test_no_secret_stands_in_a_log(ironflock: RunningPlatform, secrets: dict[str, bytes]) -> None:
    logs = [file for file in ironflock.state.log.rglob("*") if file.is_file()]
    assert len(logs) >= 7

    assert {str(log): found for log in logs if (found := findings(secrets, log.read_bytes()))} == {}


def test_no_secret_stands_in_the_arguments_of_a_process(secrets: dict[str, bytes]) -> None:
    assert {pid: found for pid, words in command_lines() if (found := findings(secrets, words))} == {}


def test_no_secret_stands_in_the_environment_of_the_platforms_processes(
    ironflock: RunningPlatform, secrets: dict[str, bytes]
) -> None:
    pids = [ironflock.pid(process.name) for process in ironflock.record.processes]

    environments = {pid: Path(f"/proc/{pid}/environ").read_bytes() for pid in pids}

    assert {pid: found for pid, octets in environments.items() if (found := findings(secrets, octets))} == {}


def readable_by_others(root: Path) -> Iterator[Path]:
    """The files that another user of the machine could open by their own mode, the folders' aside."""
    for file in root.rglob("*"):
        mode = file.lstat().st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
            yield file


def test_no_file_that_others_can_read_holds_a_secret(ironflock: RunningPlatform, secrets: dict[str, bytes]) -> None:
    files = list(readable_by_others(ironflock.state.root))

    assert {str(file): found for file in files if (found := findings(secrets, file.read_bytes()))} == {}
    assert [file for file in files if file.suffix == ".key"] == []


def test_the_databases_files_hold_no_secret_of_a_device_and_no_api_key_in_clear(
    ironflock: RunningPlatform, secrets: dict[str, bytes]
) -> None:
    with ironflock.database() as connection:
        connection.execute("CHECKPOINT")
    kept = [file for file in (ironflock.state.postgres / "data").rglob("*") if file.is_file()]
    assert len(kept) > 100

    found = {str(file): found for file in kept if (found := findings(secrets, file.read_bytes()))}

    assert found == {}


def test_an_internal_fault_shows_an_incident_and_nothing_of_its_cause(
    ironflock: RunningPlatform, owner: Account
) -> None:
    project, name = owner.project(), new_name("press")
    with ironflock.database() as connection:
        connection.execute("ALTER TABLE devices.device RENAME COLUMN description TO hidden")
    try:
        outcome = incident_of(owner, project, name)
    finally:
        with ironflock.database() as connection:
            connection.execute("ALTER TABLE devices.device RENAME COLUMN hidden TO description")

    assert outcome[0] == "ironflock.error.internal"
    assert "column" not in str(outcome)
    assert "SELECT" not in str(outcome)


def incident_of(owner: Account, project: int, name: str) -> tuple[object, ...]:
    with pytest.raises(WampError) as caught:
        owner.call("ironflock.devices.device.create", project=project, name=name)
    return caught.value.args
