"""Secrets made anew while the platform runs: devices stay, what was answered is kept, what is old opens nothing."""

import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from psycopg import sql

from deploy.local.ports import listeners
from deploy.local.settings import local_settings
from deploy.local.state import REPOSITORY, StateFolder
from deploy.local.succession import Stage, stage_of
from tests.harness.clients import Account, new_name
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until
from tests.integration.router_node.wire import WampError

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
SCHEMAS = ("auth", "devices", "fleetdb", "tunnels")
AWAY = ("ironflock.error.unavailable", "ironflock.error.outcome_unknown", "wamp.error.no_such_procedure")


class Writer:
    """Makes one group after the other; `made` has the keys of which it was told."""

    def __init__(self, owner: Account) -> None:
        self.made: list[int] = []
        self.refused: list[str] = []
        self._owner = owner
        self._ended = Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """While the block runs."""
        thread = Thread(target=self._write)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(60)

    def _write(self) -> None:
        project = self._owner.project()
        while not self._ended.is_set():
            try:
                group = self._owner.call("ironflock.devices.group.create", project=project, name=new_name("line"))
                self.made.append(group["group_key"])
            except WampError as error:
                self.refused.append(error.uri)


def files(state: StateFolder) -> dict[str, str]:
    """What can be rotated, by its path."""
    folders = (state.bus_secrets, state.database_secrets)
    found = [path for folder in folders for path in folder.iterdir()]
    found += [state.audit_signing_keys, *state.secrets.glob("*master-keys.json")]
    return {str(path): path.read_text(encoding="utf-8") for path in found}


def masters_in_use(platform: RunningPlatform) -> dict[str, set[str]]:
    """By schema: the ids of the master keys that wrap its data keys."""
    with platform.database() as connection:
        return {
            schema: {
                row[0]
                for row in connection.execute(
                    sql.SQL("SELECT master_key_id FROM {}").format(sql.Identifier(schema, "data_key"))
                ).fetchall()
            }
            for schema in SCHEMAS
        }


def key_ids(platform: RunningPlatform) -> list[str]:
    """Of the keys that sign tokens."""
    with platform.database() as connection:
        return [row[0] for row in connection.execute("SELECT key_id FROM auth.signing_key").fetchall()]


def opens(platform: RunningPlatform, password: str) -> bool:
    """Whether the database lets auth in by `password`."""
    try:
        psycopg.connect(
            host="localhost",
            port=platform.ports.postgres,
            dbname="ironflock",
            user="svc_auth",
            password=password,
            sslmode="verify-full",
            sslrootcert=str(platform.state.ca_certificate),
        ).close()
    except psycopg.OperationalError:
        return False
    return True


def test_all_secrets_are_made_anew_and_nobody_who_need_not_is_lost(
    ironflock: RunningPlatform, flockctl: Flockctl, owner: Account
) -> None:
    flock = owner.flashed()
    key, writer = flock["device_key"], Writer(owner)
    (flockctl.folder / "press.flock").write_text(json.dumps(flock), encoding="utf-8")
    keys_before = key_ids(ironflock)
    before, masters, router = files(ironflock.state), masters_in_use(ironflock), ironflock.pid("router")
    with flockctl.running("simulate", "--flock", "press.flock") as simulation, writer.running():
        wait_until(lambda: owner.status(key) == "CONNECTED", 30, "the device is online")

        said = ironflock.local("rotate", "all")

        wait_until(lambda: owner.status(key) == "CONNECTED", 30, "the registry knows the device as online")
        ends = [line["detail"] for line in simulation.lines if line["event"] == "offline"]
    # One that came in less than 30 s before what agents call was away is told to come again, and nobody else.
    assert set(ends) <= {"closed_by_router: wamp.close.system_shutdown"}
    assert "two keys sign" in said
    assert ironflock.pid("router") == router
    after = files(ironflock.state)
    assert {path for path in before if before[path] == after[path]} == set()
    assert all(in_use.isdisjoint(masters[schema]) for schema, in_use in masters_in_use(ironflock).items())
    for path, text in after.items():
        if path.endswith("master-keys.json"):
            assert len(json.loads(text)["keys"]) == 1
    there: list[Any] = [group["group_key"] for group in flockctl.json("group", "list")["groups"]]
    assert set(writer.made) <= set(there)
    assert set(writer.refused) <= set(AWAY)
    assert len(writer.made) > 10
    assert len(key_ids(ironflock)) == len(keys_before) + 1
    assert not opens(ironflock, before[str(ironflock.state.database_secrets / "svc_auth")])
    assert opens(ironflock, ironflock.secret("database/svc_auth"))

    assert "two keys sign" not in ironflock.local("rotate", "audit-key")
    assert "alone signs" in ironflock.local("rotate", "audit-key-alone")
    assert len(json.loads(ironflock.secret("audit-signing-keys.json"))["active"]) == 1
    assert flockctl.run("audit", "verify").status == 0


def trusting(ca: str) -> ssl.SSLContext:
    """A client that trusts what stands in `ca` alone."""
    return ssl.create_default_context(cadata=ca)


def is_shown(platform: RunningPlatform, tls: ssl.SSLContext) -> dict[str, bool]:
    """By listener: whether its certificate is accepted by `tls`."""
    found = {}
    for each in listeners(local_settings(platform.environment)):
        if each.name in {"postgres", "sql"}:  # their TLS begins otherwise: `opens`
            continue
        with socket.create_connection(("127.0.0.1", each.port), 10) as plain:
            try:
                tls.wrap_socket(plain, server_hostname="localhost").close()
                found[each.name] = True
            except ssl.SSLCertVerificationError:
                found[each.name] = False
    return found


def test_the_authorities_are_others_and_nobody_was_cut(
    ironflock: RunningPlatform, flockctl: Flockctl, owner: Account
) -> None:
    flock, writer, state = owner.flashed(), Writer(owner), ironflock.state
    (flockctl.folder / "press.flock").write_text(json.dumps(flock), encoding="utf-8")
    old, old_login_ca = (
        file.read_text(encoding="ascii") for file in (state.ca_certificate, state.backend_login_ca_certificate)
    )
    pids = {each.name: each.pid for each in ironflock.record.processes}
    with flockctl.running("simulate", "--flock", "press.flock") as simulation, writer.running():
        wait_until(lambda: owner.status(flock["device_key"]) == "CONNECTED", 30, "the device is online")

        ironflock.local("rotate", "ca-trust")
        both = state.ca_certificate.read_text(encoding="ascii")
        assert both.startswith(old)
        with pytest.raises(AssertionError, match="ca-issue` comes first"):
            ironflock.local("rotate", "ca-drop")
        ironflock.local("rotate", "ca-issue")
        assert all(is_shown(ironflock, trusting(both)).values())
        ironflock.local("rotate", "ca")

        assert owner.status(flock["device_key"]) == "CONNECTED"
        assert "offline" not in {line["event"] for line in simulation.lines}
    new = state.ca_certificate.read_text(encoding="ascii")
    assert new == both.removeprefix(old)
    assert all(is_shown(ironflock, trusting(new)).values())
    assert not any(is_shown(ironflock, trusting(old)).values())
    assert opens(ironflock, ironflock.secret("database/svc_auth"))
    assert_succeeded(state, old_login_ca)
    assert {each.name for each in ironflock.record.processes if each.pid != pids[each.name]} <= {"fleetdb"}
    assert writer.refused == []
    assert set(writer.made) <= {group["group_key"] for group in flockctl.json("group", "list")["groups"]}
    assert len(writer.made) > 10
    with flockctl.running("simulate", "--flock", "press.flock") as simulation:
        wait_until(lambda: "online" in {line["event"] for line in simulation.lines}, 30, "it comes by the new one")


@pytest.mark.soak
@pytest.mark.parametrize("stage", [Stage.TRUSTED, Stage.ISSUING], ids=str)
def test_killed_at_a_stage_with_all_that_runs_a_start_works_and_the_command_goes_on(stage: Stage) -> None:
    platform = RunningPlatform().start()
    try:
        state = platform.state
        old = state.ca_certificate.read_text(encoding="ascii")
        words = [sys.executable, "-m", "deploy.local", "rotate", "ca"]
        with subprocess.Popen(words, cwd=REPOSITORY, env=platform.environment) as rotation:
            wait_until(lambda: stage_of(state.backend_login_authority) is stage, 60, "it is at that stage")
            rotation.kill()
            platform.die()
        platform.start()
        assert all(is_shown(platform, platform.tls).values())

        platform.local("rotate", "ca")

        new = state.ca_certificate.read_text(encoding="ascii")
        assert new.count("BEGIN") == 1
        assert new != old
        assert all(is_shown(platform, trusting(new)).values())
        assert platform.unready() == {}
    finally:
        platform.stop()


def assert_succeeded(state: StateFolder, old_login_ca: str) -> None:
    """PostgreSQL knows the logins of data backends by the next CA alone, and the provisioner signs with it."""
    known = state.backend_login_ca_certificate.read_text(encoding="ascii")
    assert known == (state.backend_login_authority / "ca.pem").read_text(encoding="ascii")
    assert known.count("BEGIN") == 1
    assert known != old_login_ca


def test_there_is_nothing_to_rotate_where_nothing_runs(tmp_path: Any) -> None:
    stopped = RunningPlatform()
    stopped.environment["IRONFLOCK_LOCAL_STATE"] = str(tmp_path / "state")
    (tmp_path / "state" / "secrets").mkdir(parents=True)

    with pytest.raises(AssertionError, match="does not run: start it first"):
        stopped.local("rotate", "all")
