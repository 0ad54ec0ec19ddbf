"""What takes a fleet long, on a whole platform: agents updated in waves, new secrets, what a device wrote gone."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import sql

from deploy.flockctl.simulator.agent import Agent
from deploy.flockctl.simulator.flock import parse_flock
from deploy.local.bootstrap import SUPERUSER, Server, connect
from tests.e2e.test_rollouts import ROLLOUT, WITHIN_S, Site
from tests.harness.app_load import TABLE, WritingApp, now
from tests.harness.clients import Account
from tests.harness.commands import Flockctl
from tests.harness.placed_apps import place_apps
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until
from tests.integration.flockctl.reactor_thread import reactor, wait

pytestmark = [pytest.mark.real, pytest.mark.soak, pytest.mark.timeout(300)]
VERSION: Final = "9.9.9"
BINARY: Final = b"\x7fELF an agent of another version" * 1_000
DEVICES: Final = 12
WAVES: Final = [2, 4]
ROWS: Final = 5


@pytest.fixture(name="release")
def fixture_release(ironflock: RunningPlatform, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A signed release of an agent, and the key that vouches for it; what is published is taken back."""
    folder, key, public = tmp_path / "release", tmp_path / "releases.pem", tmp_path / "releases.pub.pem"
    binary = folder / "linux" / "amd64" / VERSION / "reagent"
    binary.parent.mkdir(parents=True)
    binary.write_bytes(BINARY)
    private = Ed25519PrivateKey.generate()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key.write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public.write_bytes(private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    yield folder, key
    (ironflock.state.agent_updates / "re-agent" / "availableVersions.json").unlink(missing_ok=True)


def test_agents_are_updated_in_waves_by_what_an_operator_has_signed(
    ironflock: RunningPlatform, owner: Account, flockctl: Flockctl, release: tuple[Path, Path]
) -> None:
    folder, key = release
    flockctl.json("agent", "sign", str(folder), "--version", VERSION, "--key", str(key))
    published = (
        "--into",
        str(ironflock.state.agent_updates),
        "--key",
        str(key.with_name("releases.pub.pem")),
        "--environment",
        "production",
    )
    flockctl.json("agent", "publish", str(folder), *published)
    site = Site(ironflock, owner, DEVICES)
    with site.connected() as fleet:
        rollout = site.start("update_agent", pace={"waves": WAVES, "at_once": 2, "soak_s": 0})
        seen: list[int] = []

        def is_done() -> bool:
            shown = site.shown(rollout)
            seen.append(shown["wave"])
            return bool(shown["state"] == "done")

        wait_until(is_done, WITHIN_S, "every agent is updated")
        fetched = [agent.memory.fetched for agent in fleet.agents]
        again = [started_anew(agent, site) for agent in fleet.agents]
        try:
            wait_until(lambda: versions(owner, site) == {VERSION}, WITHIN_S, "the registry knows the new version")
        finally:
            for agent in again:
                wait(agent.stop())

    assert seen == sorted(seen)
    assert {None if each is None else (each.version, each.sha256) for each in fetched} == {
        (VERSION, hashlib.sha256(BINARY).hexdigest())
    }
    shown = owner.call(f"{ROLLOUT}.show", rollout=rollout, limit=1)["rollout"]
    assert [wave["done"] for wave in shown["waves"]] == [2, 4, 6]


def started_anew(agent: Agent, site: Site) -> Agent:
    """The same device once it has started what it fetched."""
    wait(agent.stop())
    again = Agent(agent.memory.flock, site.around)
    again.memory = agent.memory
    reactor.callFromThread(again.start)
    return again


def versions(owner: Account, site: Site) -> set[str]:
    """Of the agents of all devices, as the registry has them."""
    listed = owner.call("ironflock.devices.device.list", project=site.project)["devices"]
    return {each["agent_version"] for each in listed}


def test_a_fleet_gets_new_secrets_in_waves_as_somebody_carries_the_files(
    ironflock: RunningPlatform, owner: Account, flockctl: Flockctl, tmp_path: Path
) -> None:
    site, into = Site(ironflock, owner, 4), tmp_path / "secrets"
    carried: list[Agent] = []
    old = {flock.device_key: flock.secret for flock in site.flocks}
    with site.connected() as fleet:
        agents = {agent.memory.flock.device_key: agent for agent in fleet.agents}
        words = ("device", "reflash", "--project", str(site.project), "--into", str(into), "--at-once", "2", "--yes")
        with flockctl.running(*words) as reflash:
            try:
                for _ in range(2):
                    carry(reflash, into, agents, carried, site)
                assert reflash.wait(WITHIN_S) == 0
                states = [line["device"]["state"] for line in reflash.lines if "device" in line]
                assert states[:2] == ["flashed", "flashed"], "the next wave waits for this one"
                assert reflash.lines[-1]["counts"]["back"] == len(old)
                assert sorted(states[2:4]) == ["back", "back"]
            finally:
                for agent in carried:
                    wait(agent.stop())
    assert all(agent.memory.flock.secret != old[agent.memory.flock.device_key] for agent in carried)


def carry(reflash: Any, into: Path, agents: dict[int, Agent], carried: list[Agent], site: Site) -> None:
    """Somebody puts the files of a wave onto its devices, which connect by what is in them."""
    done = {agent.memory.flock.device_key for agent in carried}

    def flashed() -> list[dict[str, Any]]:
        told = [line["device"] for line in list(reflash.lines) if "device" in line]
        return [each for each in told if each["state"] == "flashed" and each["device_key"] not in done]

    wait_until(lambda: len(flashed()) == 2, WITHIN_S, "the files of a wave are there")
    for each in flashed():
        wait(agents[each["device_key"]].stop())
        agent = Agent(parse_flock((into / each["file"]).read_text(encoding="utf-8")), site.around)
        reactor.callFromThread(agent.start)
        carried.append(agent)


def rows_of(platform: RunningPlatform, project: int) -> int:
    """How many rows all apps of the project have in `strokes`, as the server's superuser sees it."""
    query = "SELECT database_name FROM realms.project_database WHERE project_key = %s"
    with platform.database() as connection:
        [(database,)] = connection.execute(query, [project]).fetchall()
    server = Server(platform.ports.postgres, platform.state.ca_certificate, platform.secret(f"database/{SUPERUSER}"))
    with connect(server, database) as connection:
        found = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'strokes'").fetchall()
        [(rows,)] = connection.execute(
            sql.SQL(" UNION ALL ").join(
                sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, "strokes")) for (schema,) in found
            )
        ).fetchall()
        return int(rows)


def test_what_a_device_wrote_goes_with_it_where_that_is_wished_and_the_certificate_says_so(
    ironflock: RunningPlatform, owner: Account, flockctl: Flockctl
) -> None:
    (app,) = asyncio.run(place_apps(ironflock, owner, 1, [TABLE]))

    async def written() -> None:
        writing = WritingApp(app)
        await writing.stored()  # its backend serves it from now on: each row is written once
        async with await app.join() as peer:
            for number in range(ROWS):
                row = {"tsp": round(now() * 1_000), "number": number}
                await peer.call(app.uri("append", "strokes"), row, DEVICE_NAME="press")
        assert await writing.stored() == Counter(range(ROWS))

    asyncio.run(written())
    assert rows_of(ironflock, app.project_key) == ROWS
    (device,) = owner.call("ironflock.devices.device.list", project=app.project_key)["devices"]
    where = ("--project", str(app.project_key))

    begun = flockctl.json("device", "decommission", str(device["device_key"]), "--data", "delete", "--yes")
    assert begun["is_pending"]

    def certificates() -> list[dict[str, Any]]:
        with ironflock.database() as connection:  # nobody waits here for the two minutes between its rounds
            connection.execute("UPDATE devices.decommission SET due_at = clock_timestamp() WHERE due_at IS NOT NULL")
        listed = flockctl.json("device", "decommissioned", *where)["devices"]
        return [each["certificate"] for each in listed if each["certificate"] is not None]

    wait_until(certificates, WITHIN_S, "the certificate is there")
    (certificate,) = certificates()
    # Every table of the app is named that was looked through; the platform's own of it had nothing of the device.
    assert {table["table"]: table["rows"] for table in certificate["data"]["deleted"] if table["rows"]} == {
        "strokes": ROWS
    }
    assert rows_of(ironflock, app.project_key) == 0
    assert str(device["device_key"]) in json.dumps(certificate)
    assert flockctl.run("audit", "verify").status == 0
