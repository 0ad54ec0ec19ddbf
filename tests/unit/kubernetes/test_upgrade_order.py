"""The commands of deploy/README.md, An upgrade, done with a kubectl that writes down what it is asked."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.harness.go_programs import NoProgramError
from tests.harness.kubernetes import ROOT, Manifest, composed_text, values_of
from tests.unit.kubernetes.processes import WORKLOADS

NAME: Final = "app.kubernetes.io/name"
SELECTED: Final = re.compile(r"app\.kubernetes\.io/name ?(=|in|notin) ?\(?([a-z,-]+)\)?$")
CALLED_FIRST: Final = {
    "fleetdb": {"realms", "provisioner"},
    "tunnels": {"realms"},
    "devices": {"realms", "tunnels", "fleetdb"},
    "gateway": {"realms", "tunnels", "fleetdb", "devices"},
}
"""Who is of the new release before whom."""
RUN_S: Final = 60


@pytest.fixture(name="asked", scope="module")
def fixture_asked(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What kubectl and python are asked, in order, a line each."""
    folder = tmp_path_factory.mktemp("programs")
    for name in ("kubectl", "python"):
        program = folder / name
        program.write_text(f'#!/bin/sh\n(IFS="\t"; echo "{name}\t$*") >> "{folder}/asked"\n')
        program.chmod(0o700)
    readme = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    commands = readme.split("### An upgrade\n")[1].split("```sh\n")[1].split("```")[0]
    environment = {"PATH": f"{folder}:{os.defpath}", "HOME": str(folder)}
    done = subprocess.run(["/bin/bash", "-eu", "-c", commands], env=environment, check=False, timeout=RUN_S)
    assert done.returncode == 0
    return (Path(folder) / "asked").read_text().splitlines()


@pytest.fixture(name="manifests", scope="module")
def fixture_manifests() -> list[Manifest]:
    parts = ("postgres", "second-cell", "second-cluster", "replicas", "frps", "monitoring", "tracing")
    try:
        return values_of(composed_text(*(f"components/{part}" for part in parts), "site"))
    except NoProgramError as error:
        pytest.skip(str(error))


def selectors(asked: list[str]) -> list[str]:
    return [line.rsplit("\t", 1)[1] for line in asked if line.startswith("kubectl\tapply") and "--selector" in line]


def is_selected(manifest: Manifest, selector: str) -> bool:
    """As kubectl does it: who has no such label is selected by `notin`."""
    found = SELECTED.match(selector)
    assert found is not None, selector
    is_named = manifest["metadata"].get("labels", {}).get(NAME) in found[2].split(",")
    return not is_named if found[1] == "notin" else is_named


def steps(manifests: list[Manifest], asked: list[str]) -> dict[tuple[str, str], int]:
    """Of each manifest by kind and name: the step that applies it; no two do."""
    found: dict[tuple[str, str], int] = {}
    for each in manifests:
        by = [step for step, selector in enumerate(selectors(asked)) if is_selected(each, selector)]
        assert len(by) == 1, (each["kind"], each["metadata"]["name"], by)
        found[each["kind"], each["metadata"]["name"]] = by[0]
    return found


def config_maps(spec: Any) -> Iterator[str]:
    """The name of every ConfigMap below `spec`."""
    for key, value in spec.items() if isinstance(spec, dict) else enumerate(spec):
        if key in ("configMap", "configMapRef"):
            yield value["name"]
        elif isinstance(value, dict | list):
            yield from config_maps(value)


def test_secrets_come_before_everything(asked: list[str]) -> None:
    first = [line.split("\t")[:3] for line in sorted(asked[:2], reverse=True)]

    assert first == [["python", "-m", "deploy.installation"], ["kubectl", "apply", "-f"]]


def test_the_router_is_new_before_any_service_and_who_is_called_before_who_calls(
    manifests: list[Manifest], asked: list[str]
) -> None:
    step = {name: at for (kind, name), at in steps(manifests, asked).items() if kind in WORKLOADS}

    assert step["schema"] < step["router"] < step["router-second"], (
        "devices of one cell are cut while the other ones' work"
    )
    frps = {name for name in step if name.startswith("frps-")}
    before = {"schema", "router", "router-second"} | frps
    assert all(step["router-second"] < at for name, at in step.items() if name not in before)
    for caller, called in CALLED_FIRST.items():
        assert all(step[each] < step[caller] for each in called), caller


def test_each_process_finds_its_settings_and_is_waited_for(manifests: list[Manifest], asked: list[str]) -> None:
    step = steps(manifests, asked)
    waited = [line.split("\t")[7] for line in asked if line.startswith("kubectl\t-n\tironflock\trollout")]

    for each in manifests:
        if each["kind"] in WORKLOADS:
            name = each["metadata"]["name"]
            used = [step["ConfigMap", one] for one in config_maps(each["spec"]) if ("ConfigMap", one) in step]
            assert used, name
            assert all(at <= step[each["kind"], name] for at in used), name
            frps_or_job = name.startswith("frps-") or each["kind"] == "Job"
            assert frps_or_job or any(is_selected(each, selector) for selector in waited), name
