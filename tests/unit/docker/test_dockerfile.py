"""What the images are made of, as their descriptions say it; that it works: tests/interop/test_image.py."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy.local.ports import listeners
from deploy.local.settings import local_settings
from tests.harness.image_steps import Stage, kept, stages
from tests.unit.kubernetes.hardening import DIGEST

ROOT = Path(__file__).parents[3]
STAGES = stages((ROOT / "deploy" / "docker" / "Dockerfile").read_text(encoding="utf-8"))
STEPS = (ROOT / "deploy" / "docker" / "steps.sh").read_text(encoding="utf-8")
RUN_BY_US = ("service", "frps", "one-server")


def chain(name: str) -> list[Stage]:
    """A stage, and those that it begins from."""
    stage = STAGES[name]
    return [*(chain(stage.begins_from) if stage.begins_from in STAGES else []), stage]


def test_what_others_made_is_named_by_its_digest() -> None:
    outside = {stage.begins_from for stage in STAGES.values()} - STAGES.keys() - {"scratch"}

    assert outside
    assert all(DIGEST.fullmatch(source) for source in outside)


@pytest.mark.parametrize("name", RUN_BY_US)
def test_nobody_runs_as_root(name: str) -> None:
    users = [each.rest for stage in chain(name) for each in stage.instructions if each.word == "USER"]

    assert users[-1] == "10001:10001"


def test_everything_that_is_copied_is_there() -> None:
    for stage in STAGES.values():
        for each in stage.instructions:
            if each.word == "COPY" and not each.rest.startswith("--from="):
                assert all((ROOT / path).exists() for path in each.rest.split()[:-1]), each.rest
            if each.word == "COPY" and each.rest.startswith("--from="):
                assert each.rest.split()[0].removeprefix("--from=") in STAGES


def test_nothing_that_is_copied_is_kept_out_and_no_secret_comes_in() -> None:
    keeps = kept((ROOT / "deploy" / "docker" / "Dockerfile.dockerignore").read_text(encoding="utf-8"))
    copied = [each.rest.split()[:-1] for stage in STAGES.values() for each in stage.instructions if each.word == "COPY"]
    paths = [path for words in copied if not words[0].startswith("--from=") for path in words]
    files = [file for path in paths for file in ((ROOT / path).rglob("*") if (ROOT / path).is_dir() else [ROOT / path])]
    lost = {file.suffix for file in files if file.is_file() and not keeps(str(file.relative_to(ROOT)))}

    assert keeps("services/audit/migrations/0001_create.sql")
    assert keeps("deploy/local/__main__.py")
    assert keeps("deploy/flockctl/compliance/controls.yaml")
    assert lost <= {
        "",
        ".md",
        ".yaml",
        ".json",
        ".env",
        ".txt",
        ".in",
        ".pyc",
        ".toml",
        ".sh",
        ".dockerignore",
        ".service",
        ".timer",
    }
    assert not [path for path in (".ironflock/owner-api-key", "a.key", "services/x.key", ".git/config") if keeps(path)]


def test_nothing_comes_by_another_way() -> None:
    assert {each.word for stage in STAGES.values() for each in stage.instructions} == {
        "RUN", "COPY", "ENV", "USER", "WORKDIR", "CMD",
    }  # fmt: skip


def test_every_step_is_one_of_the_script_s() -> None:
    said = {each.rest for stage in STAGES.values() for each in stage.instructions if each.word == "RUN"}

    assert said == {f"sh /steps.sh {step}" for step in re.findall(r"^(\w+)\)$", STEPS, re.MULTILINE)}


def test_nothing_comes_out_of_a_distribution() -> None:
    """Its packages are others from day to day, so that the same sources would not make the same image."""
    assert re.findall(r"\b(?:apt|apt-get|dpkg|apk|curl|wget)\b", STEPS) == []


@pytest.mark.parametrize("name", RUN_BY_US)
def test_each_image_has_its_bill_of_materials(name: str) -> None:
    copied = [each.rest.split()[-1] for stage in chain(name) for each in stage.instructions if each.word == "COPY"]

    assert "/opt/ironflock/sbom.cdx.json" in copied


def test_every_package_is_installed_by_its_hash() -> None:
    calls = [line.strip() for line in STEPS.splitlines() if " -r /locks/" in line]
    builds = [line for line in STEPS.splitlines() if " go build " in line]

    assert len(calls) == 4
    assert all("--require-hashes" in call for call in calls)
    assert len(builds) == 2
    assert all(" go build $GO_BUILD " in build for build in builds)
    assert re.search("^GO_BUILD=.*-mod=readonly .*-trimpath", STEPS, re.MULTILINE)


def compose() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.yaml.decode((ROOT / "deploy" / "compose" / "compose.yaml").read_bytes())
    return found


def told() -> dict[str, str]:
    """The variables of the one server, whose operator calls everything plant.example."""
    variables = compose()["services"]["platform"]["environment"]
    return {name: re.sub(r"\$\{\w+:[?-].*\}", "plant.example", value) for name, value in variables.items()}


def test_the_one_server_may_nothing_that_it_need_not() -> None:
    platform = compose()["services"]["platform"]

    assert (platform["read_only"], platform["cap_drop"]) == (True, ["ALL"])
    assert platform["security_opt"] == ["no-new-privileges:true"]
    assert platform["user"] == "10001:10001"
    assert {"mem_limit", "pids_limit"} <= platform.keys()
    assert platform["build"]["target"] in STAGES


def test_the_one_server_s_ports_are_the_launcher_s_public_ones() -> None:
    settings = local_settings(told())
    public = [each.port for each in listeners(settings) if each.address == settings.bind]

    assert sorted(compose()["services"]["platform"]["ports"]) == sorted(f"{port}:{port}" for port in public)


def test_agents_find_the_edge_of_tunnels_of_the_one_server() -> None:
    """They dial 7400 on their own machine alone, and 7000 elsewhere (wire-agent.md section 6)."""
    assert local_settings(told()).ports.tunnel == 7000


def test_a_second_cell_on_the_one_server_is_a_variable_and_a_port() -> None:
    found = msgspec.yaml.decode((ROOT / "deploy" / "compose" / "second-cell.yaml").read_bytes())
    second = found["services"]["platform"]

    ports = local_settings(second["environment"]).ports
    assert ports.more_routers == ("router-second",)
    assert second["ports"] == [f"{ports.second_router_public}:{ports.second_router_public}"]
    assert found["services"].keys() == compose()["services"].keys()


def test_the_launcher_knows_every_variable_of_the_one_server() -> None:
    assert local_settings(told()).host == "plant.example"
