"""What the images are made of, as their descriptions say it; that it works: tests/interop/test_image.py."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy.local.settings import Ports, local_settings
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
    steps = {line.removeprefix("sh /steps.sh ") for line in said if line.startswith("sh /steps.sh ")}

    assert steps == set(re.findall(r"^(\w+)\)$", STEPS, re.MULTILINE))
    assert len(said - {f"sh /steps.sh {step}" for step in steps}) == 2  # frps, and the folder of the one server


def test_every_package_is_installed_by_its_hash() -> None:
    calls = [line.strip() for line in STEPS.splitlines() if " -r /locks/" in line]

    assert len(calls) == 4
    assert all("--require-hashes" in call for call in calls)


def compose() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.yaml.decode((ROOT / "deploy" / "compose" / "compose.yaml").read_bytes())
    return found


def test_the_one_server_may_nothing_that_it_need_not() -> None:
    platform = compose()["services"]["platform"]

    assert (platform["read_only"], platform["cap_drop"]) == (True, ["ALL"])
    assert platform["security_opt"] == ["no-new-privileges:true"]
    assert platform["user"] == "10001:10001"
    assert {"mem_limit", "pids_limit"} <= platform.keys()
    assert platform["build"]["target"] in STAGES


def test_the_one_server_s_ports_are_the_launcher_s_public_ones() -> None:
    ports = Ports(8440)
    public = {ports.accounts, ports.router_public, ports.gateway, ports.sql, ports.visitors, ports.tunnel}

    assert compose()["services"]["platform"]["ports"] == [f"{port}:{port}" for port in sorted(public - {7400})] + [
        "7400:7400"
    ]


def test_a_second_cell_on_the_one_server_is_a_variable_and_a_port() -> None:
    found = msgspec.yaml.decode((ROOT / "deploy" / "compose" / "second-cell.yaml").read_bytes())
    told = found["services"]["platform"]

    ports = local_settings(told["environment"]).ports
    assert ports.more_routers == ("router-second",)
    assert told["ports"] == [f"{ports.second_router_public}:{ports.second_router_public}"]
    assert found["services"].keys() == compose()["services"].keys()


def test_the_launcher_knows_every_variable_of_the_one_server() -> None:
    told = compose()["services"]["platform"]["environment"]
    plain = {name: re.sub(r"\$\{\w+:[?-].*\}", "plant.example", value) for name, value in told.items()}

    assert local_settings(plain).host == "plant.example"
