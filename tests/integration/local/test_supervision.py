"""A whole platform with stand-ins: started, killed in every part, renewed, stopped."""

import os
import signal
import socket
import ssl
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from deploy.local import background
from deploy.local.errors import PlatformError
from deploy.local.files import write_atomically
from deploy.local.key_files import with_new_master
from deploy.local.preparation import new_key
from deploy.local.settings import local_settings
from deploy.local.survivors import birth
from shared.secrets import parse_master_keys, wrap
from tests.integration.local.sites import DATABASE, STUBS, TWO_CELLS, Site, end, endpoints, wait_until

pytestmark = pytest.mark.real
Platform = tuple[Site, subprocess.Popen[str]]
SERVICES = ("auth", "realms", "devices", "privileges", "audit", "gateway", "fleetdb", "tunnels")
ROUTERS = ("router", "router-second")
PARTS = ("postgres", *ROUTERS, "provisioner", *SERVICES)


def certificate(port: int, ca: Path) -> bytes:
    """The certificate that a verified server on `port` shows; PostgreSQL's is asked for by its own greeting."""
    context = ssl.create_default_context(cafile=str(ca))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        return tls.getpeercert(binary_form=True) or b""


def is_healthy(site: Site) -> bool:
    return site.run("status").returncode == 0


def test_the_whole_life_of_a_platform(platform: Platform) -> None:
    """Health, kills, second launcher, end: one platform for all, since each start costs seconds."""
    site, launcher = platform

    assert is_healthy(site)
    assert endpoints(site)["health"].keys() == {*ROUTERS, *SERVICES}
    for name in PARTS:
        assert_comes_back(site, name)
    assert is_healthy(site)
    assert_second_launcher_is_refused(site)
    said = end(launcher)

    assert launcher.returncode == 0
    assert_stopped_in_order(said)
    assert site.run("status").returncode == 1


def assert_comes_back(site: Site, name: str) -> None:
    killed = site.pid(name)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: site.pid(name) not in {killed, None})
    wait_until(lambda: not site.unready())
    assert birth(killed) is None


def assert_second_launcher_is_refused(site: Site) -> None:
    done = site.run("run")

    assert done.returncode == 1
    assert "already runs" in done.stderr


def assert_stopped_in_order(said: str) -> None:
    ends = [line.split()[0] for line in said.splitlines() if line.endswith(" stopped")]

    assert set(ends[:-3]) == {"provisioner", *SERVICES}
    assert (set(ends[-3:-1]), ends[-1]) == (set(ROUTERS), "postgres")


def test_ctrl_c_in_a_terminal_reaches_the_launcher_alone(platform: Platform) -> None:
    site, launcher = platform
    sessions = {os.getsid(pid) for name in PARTS if (pid := site.pid(name))}

    launcher.send_signal(signal.SIGINT)

    assert os.getsid(0) not in sessions
    assert len(sessions) == len(PARTS)
    assert_stopped_in_order(launcher.communicate(timeout=60)[0])
    assert launcher.returncode == 0


def test_given_a_killed_launcher_when_it_is_started_again_then_nothing_old_is_left_and_all_is_well(
    platform: Platform,
) -> None:
    site, launcher = platform
    old = [pid for name in PARTS if (pid := site.pid(name))]
    workers = [child for name in ROUTERS for child in children_of(site.pid(name))]
    with site.connect("postgres") as connection:
        connection.execute("CREATE TABLE public.kept (a int)")
        cut_off_rotation(site, connection)

    launcher.kill()
    launcher.communicate()
    again = site.start(str(STUBS), **TWO_CELLS)
    wait_until(lambda: site.runs(again))

    assert len(workers) == len(ROUTERS)
    assert [pid for pid in (*old, *workers) if birth(pid) is not None] == []
    with site.connect("postgres") as connection:
        connection.execute("SELECT a FROM public.kept")
        ((used,),) = connection.execute("SELECT DISTINCT master_key_id FROM tunnels.data_key").fetchall()
    assert [*parse_master_keys(site.state.tunnels_master_keys.read_text()).keys] == [used]
    assert "tunnels: 1 data keys are under the new master key" in end(again)


def cut_off_rotation(site: Site, connection: psycopg.Connection[Any]) -> None:
    """As one leaves it whose services did not come back in time."""
    file = site.state.tunnels_master_keys
    key = wrap(parse_master_keys(file.read_text()), "t1", bytes(32))
    write_atomically(file, with_new_master(file.read_text(), *new_key()).encode())
    connection.execute("INSERT INTO tunnels.data_key VALUES (%s, %s, %s)", [key.key_id, key.master_key_id, key.wrapped])


def children_of(pid: int | None) -> list[int]:
    """The numbers of a process's children. Source: proc(5)."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_second_start_finds_its_state(platform: Platform) -> None:
    site, launcher = platform
    kept = {path: path.read_bytes() for path in kept_files(site)}
    end(launcher)

    again = site.start(str(STUBS), **TWO_CELLS)
    wait_until(lambda: site.runs(again))
    said = end(again)

    assert {path: path.read_bytes() for path in kept_files(site)} == kept
    assert str(site.state.owner_api_key) in said
    assert site.state.owner_api_key.read_text() not in said


def kept_files(site: Site) -> list[Path]:
    folders = (site.state.ca, site.state.tls, site.state.secrets)
    return [site.state.owner_api_key, *(path for folder in folders for path in folder.rglob("*") if path.is_file())]


def test_nothing_in_the_state_folder_is_open_to_others(platform: Platform) -> None:
    site, _ = platform
    program = next(site.state.postgres.glob("program-*"))
    public = {program, site.state.postgres / "postgresql.conf", site.state.postgres / "pg_hba.conf"}
    crossed = {site.state.root, site.state.tls, site.state.postgres}
    for path in site.state.root.rglob("*"):
        if public & {path, *path.parents}:
            continue
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode & 0o077 == (0o011 if path in crossed and os.geteuid() == 0 else 0), path


def test_certificates_renew_themselves_while_everything_runs(new_site: Callable[[], Site]) -> None:
    site = new_site()
    launcher = site.start(str(STUBS), IRONFLOCK_LOCAL_CERTIFICATE_LIFE="6")
    wait_until(lambda: site.runs(launcher))
    first = certificate(site.base + 9, site.state.ca_certificate)

    with site.connect("svc_auth") as kept:
        wait_until(lambda: certificate(site.base + 9, site.state.ca_certificate) != first)
        wait_until(lambda: "reloading configuration" in (site.state.log / "postgres.log").read_text())

        with site.connect("svc_auth") as later:
            assert later.execute("SELECT 1").fetchone() == (1,)
        assert kept.execute("SELECT 1").fetchone() == (1,)
    assert "renewed the certificates of postgres" in end(launcher)


@pytest.mark.parametrize("command", ["run", "up"])
def test_given_a_taken_port_when_started_then_it_is_named_before_anything_starts(
    new_site: Callable[[], Site], command: str
) -> None:
    site = new_site()
    with socket.create_server(("127.0.0.1", site.base + 5)):
        done = site.run(command)

    assert done.returncode == 1
    assert f"127.0.0.1 port {site.base + 5} (gateway)" in done.stderr
    assert "IRONFLOCK_LOCAL_PORT_BASE" in done.stderr
    assert not (site.state.postgres / "data").exists()


def test_the_database_alone_asks_for_no_port_but_its_own(new_site: Callable[[], Site]) -> None:
    site = new_site()
    with socket.create_server(("127.0.0.1", site.base + 5)):
        launcher = site.start(*DATABASE)
        wait_until(lambda: site.runs(launcher))

    end(launcher)


def test_given_a_service_that_is_not_ready_when_asked_then_the_status_says_which_and_why(platform: Platform) -> None:
    site, _ = platform
    (site.state.root / "unready-realms").touch()

    done = site.run("status")

    assert done.returncode == 1
    ill = [line for line in done.stdout.splitlines() if "not ready" in line]
    assert len(ill) == 1
    assert ill[0].startswith("realms")
    assert ill[0].endswith("bus: no bus")


def test_down_stops_a_platform_and_is_content_without_one(platform: Platform) -> None:
    site, launcher = platform

    done = site.run("down")

    assert (done.returncode, done.stdout) == (0, "the platform is stopped\n")
    launcher.communicate(timeout=5)
    assert launcher.returncode == 0
    assert site.run("down").stdout == "the platform does not run\n"
    with pytest.raises(psycopg.OperationalError, match="refused"):
        site.connect("svc_auth")


def test_given_a_part_that_does_not_become_ready_when_up_waits_then_it_says_which_why_and_what_it_printed(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, _ = platform
    (site.state.root / "unready-realms").touch()
    (site.state.log / "realms.log").write_text("its last words\n")
    monkeypatch.setattr(background, "UP_TIMEOUT_S", 1.0)

    with pytest.raises(PlatformError) as told:
        background.up(local_settings(site.environment()), lambda _: None)

    assert "realms: bus: no bus\n  its last words" in str(told.value)
    assert "gateway" not in str(told.value)
