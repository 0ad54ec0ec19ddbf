"""The scripts on the host of the one server's container go into it: a `docker` writes down what it is asked."""

import os
import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

DEPLOY: Final = Path(__file__).parents[3] / "deploy"
SCRIPTS: Final = sorted((DEPLOY / "operator").glob("*.sh"))
ARGUMENTS: Final = {"offboard.sh": ("ann@plant.example", "left")}
PLATFORM: Final[dict[str, Any]] = msgspec.yaml.decode((DEPLOY / "compose" / "compose.yaml").read_bytes())["services"][
    "platform"
]
BACKUPS: Final = "/var/backups/ironflock"
RUN_S: Final = 60


def asked(script: Path, folder: Path) -> list[list[str]]:
    """The words of each call of docker."""
    docker = folder / "docker"
    answers = (
        "case $7 in flags) echo 'ON FLAG ALLOWS TO'; echo 'project READ see it'; echo 'device GRANT give them';; esac"
    )
    docker.write_text(f'#!/bin/sh\n(IFS="\t"; echo "$*") >> "{folder}/asked"\ncat > /dev/null\n{answers}\n')
    docker.chmod(0o700)
    environment = {
        "PATH": f"{DEPLOY / 'compose' / 'bin'}:{folder}:{os.defpath}",
        "IRONFLOCK_BACKUP_TO": BACKUPS,
        "IRONFLOCK_BACKUP_RECIPIENTS": "age1one",
        "IRONFLOCK_BACKUP_KEEP": "35d",
    }
    command = [script, *ARGUMENTS.get(script.name, ())]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=RUN_S)
    return [line.split("\t") for line in (folder / "asked").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_command_goes_into_the_container(script: Path, tmp_path: Path) -> None:
    calls = asked(script, tmp_path)

    assert calls
    for words in calls:
        assert words[:5] == ["exec", "--interactive", PLATFORM["container_name"], "python", "-m"]
        assert words[5] in ("deploy.flockctl", "deploy.local")


def test_off_boarding_asks_of_each_flag_though_docker_reads_what_it_is_given(tmp_path: Path) -> None:
    calls = [words[6:] for words in asked(DEPLOY / "operator" / "offboard.sh", tmp_path)]

    who = "ann@plant.example"
    assert [words for words in calls if words[0] == "where-can"] == [
        ["where-can", who, "READ", "--on", "project", "--despite-locks"],
        ["where-can", who, "GRANT", "--on", "device", "--despite-locks"],
    ]


def test_a_backup_lands_where_the_container_has_a_folder_of_the_host(tmp_path: Path) -> None:
    [call] = [words for words in asked(DEPLOY / "operator" / "nightly.sh", tmp_path) if "create" in words]

    assert call[6:12] == ["backup", "create", "--to", BACKUPS, "--recipient", "age1one"]
    assert f"${{IRONFLOCK_BACKUPS:-backups}}:{BACKUPS}" in PLATFORM["volumes"]
    assert f"chown 10001:10001 /var/lib/ironflock {BACKUPS}" in (DEPLOY / "docker" / "steps.sh").read_text()
    assert f"`IRONFLOCK_BACKUP_TO={BACKUPS}`" in (DEPLOY / "operator" / "README.md").read_text()
