"""The commands of deploy/README.md, New secrets.

Done with the real folder, and a kubectl that writes down what it is asked.
"""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

from deploy.installation.anew import SUCCESSIONS
from deploy.installation.secrets import ensure_secrets
from deploy.local.kinds import Kind
from deploy.local.processes import PROVISIONER, SERVICES
from shared.overlap import values
from shared.secrets import parse_master_keys
from tests.harness.kubernetes import ROOT

RUN_S: Final = 60
RESTARTED: Final = {
    Kind.DATABASE_PASSWORDS: {PROVISIONER, *SERVICES},
    Kind.BUS_SECRETS: {*SERVICES},
    Kind.MASTER_KEYS: {"auth", "devices", "fleetdb", "tunnels"},
    Kind.AUDIT_KEY: {"audit"},
    Kind.PERSON_KEYS: {"auth"},
}
"""Whoever reads a secret of that kind at its start."""
SELECTED: Final = re.compile(r"rollout restart \S+ --selector app\.kubernetes\.io/name in \(([a-z,]+)\)")


@frozen
class Step:
    """What kubectl was asked, and the Secrets that it had been handed by then."""

    asked: str
    secrets: dict[str, dict[str, str]]

    @property
    def restarted(self) -> set[str]:
        """The processes that are told to start anew."""
        found = SELECTED.search(self.asked)
        return set(found[1].split(",")) if found else set()

    def value(self, secret: str, key: str) -> str:
        """What a process has that is started now."""
        return base64.b64decode(self.secrets[secret][key]).decode()


class Safe:
    """An operator's machine: a folder, the lines of the README, and a kubectl of ours."""

    def __init__(self, home: Path) -> None:
        """Everything was handed over once."""
        self.home = home
        self.folder = home / "ironflock-safe"
        ensure_secrets(self.folder)
        programs = {
            "kubectl": f'exec {sys.executable} -S {Path(__file__).with_name("stand_in_kubectl.py")} "$@"',
            "python": f'PYTHONPATH={ROOT} exec {sys.executable} "$@"',
            "sleep": "exit 0",
        }
        for name, line in programs.items():
            (home / name).write_text(f"#!/bin/sh\n{line}\n")
            (home / name).chmod(0o700)

    def run(self, kind: str) -> list[Step]:
        """The lines of that kind, after those that each of them begins with."""
        section = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8").split("### New secrets\n")[1]
        first, *blocks = [part.split("```")[0] for part in section.split("\n### ")[0].split("```sh\n")[1:]]
        (lines,) = [block for block in blocks if block.startswith(f"# {kind}")]
        environment = {"PATH": f"{self.home}:{os.defpath}", "HOME": str(self.home)}
        done = subprocess.run(
            ["/bin/bash", "-eu", "-c", first + lines],
            cwd=self.home, env=environment, check=False, timeout=RUN_S, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        noted = [json.loads(line) for line in (self.home / "asked").read_text().splitlines()]
        return [Step(asked, secrets) for asked, secrets in noted]

    def value(self, path: str) -> str:
        """What the folder has now."""
        return (self.folder / path).read_text().strip()


@pytest.fixture(name="safe")
def fixture_safe(tmp_path: Path) -> Safe:
    return Safe(tmp_path)


def at(steps: list[Step], *words: str) -> int:
    """Which step is the first one that asks all of that."""
    return next(number for number, step in enumerate(steps) if all(word in step.asked for word in words))


def is_status_before(steps: list[Step], until: int) -> bool:
    """Whether every restart up to there was waited for before anything else was asked."""
    return all(
        steps[number + 1].asked == step.asked.replace("restart", "status") + " --timeout=10m"
        for number, step in enumerate(steps[:until])
        if step.restarted
    )


def last_handed(steps: list[Step]) -> int:
    return max(number for number, step in enumerate(steps) if step.asked == "apply -f -")


def test_passwords(safe: Safe) -> None:
    old = safe.value("database/svc_auth")
    steps = safe.run(Kind.DATABASE_PASSWORDS)

    new = safe.value("database/svc_auth")
    job, finished = at(steps, "apply --server-side", "name=schema"), last_handed(steps)
    assert at(steps, "delete job schema") < job < at(steps, "wait", "complete", "job/schema") < finished
    restarted = [step for step in steps[:job] if step.restarted]
    assert set().union(*(step.restarted for step in restarted)) == RESTARTED[Kind.DATABASE_PASSWORDS]
    assert is_status_before(steps, job)
    assert {values(step.value("auth", "database")) for step in (*restarted, steps[job])} == {(new, old)}
    assert values(steps[job].value("bootstrap", "svc_auth")) == (new, old)
    assert steps[finished].value("auth", "database") == steps[finished].value("bootstrap", "svc_auth") == new


def test_bus_secrets(safe: Safe) -> None:
    old = safe.value("bus/svc_auth")
    steps = safe.run(Kind.BUS_SECRETS)

    new, finished = safe.value("bus/svc_auth"), last_handed(steps)
    restarted = [step for step in steps if step.restarted]
    assert set().union(*(step.restarted for step in restarted)) == RESTARTED[Kind.BUS_SECRETS]
    assert is_status_before(steps, finished)
    assert {values(step.value("router", "svc_auth")) for step in restarted} == {(new, old)}
    looked = [number for number, step in enumerate(steps) if "sha256sum" in step.asked]
    assert len(looked) == 2  # the volume followed late
    assert max(looked) < at(steps, "rollout restart") < finished
    assert steps[finished].value("router", "svc_auth") == steps[finished].value("auth", "bus") == new


def test_master_keys(safe: Safe) -> None:
    old = parse_master_keys(safe.value("master-keys/fleetdb"))
    steps = safe.run(Kind.MASTER_KEYS)

    new, finished = parse_master_keys(safe.value("master-keys/fleetdb")), last_handed(steps)
    rewrapped, kept = at(steps, "deploy.rotating master-keys"), at(steps, "wait", "job/backup-between")
    assert set().union(*(step.restarted for step in steps[:rewrapped])) == RESTARTED[Kind.MASTER_KEYS]
    assert is_status_before(steps, rewrapped)
    assert at(steps, "create job backup-between --from=cronjob/backup-log") < kept < finished
    for step in steps[kept], steps[rewrapped]:
        both = parse_master_keys(step.value("backup", "master-keys-fleetdb"))
        assert (both.active, set(both.keys)) == (new.active, {old.active, new.active})
    assert set(new.keys) == {new.active} != {old.active}
    assert parse_master_keys(steps[finished].value("fleetdb", "master-keys")) == new


def test_the_log_s_key(safe: Safe) -> None:
    steps = safe.run(Kind.AUDIT_KEY)

    restarts = [(step.restarted, json.loads(step.value("audit", "signing-keys"))) for step in steps if step.restarted]
    assert [names for names, _ in restarts] == [{"audit"}, {"audit"}]
    assert [len(keys["active"]) for _, keys in restarts] == [2, 1]
    assert is_status_before(steps, len(steps) - 1)
    told = at(steps, "exec audit-0 -- cat /var/lib/ironflock/audit-keys")
    assert at(steps, "rollout status") < told < last_handed(steps)


def test_keys_of_people(safe: Safe) -> None:
    old = parse_master_keys(safe.value("person-keys"))
    steps = safe.run(Kind.PERSON_KEYS)

    new, resealed = parse_master_keys(safe.value("person-keys")), at(steps, "deploy.rotating person-keys auth")
    assert set().union(*(step.restarted for step in steps[:resealed])) == RESTARTED[Kind.PERSON_KEYS]
    assert is_status_before(steps, resealed)
    assert set(parse_master_keys(steps[resealed].value("auth", "person-keys")).keys) == {old.active, new.active}
    assert parse_master_keys(steps[last_handed(steps)].value("auth", "person-keys")) == new
    assert set(new.keys) == {new.active}


def test_signing_keys_of_tokens(safe: Safe) -> None:
    steps = safe.run("signing keys of tokens")

    assert at(steps, "exec deployment/auth -- python -m deploy.rotating signing-keys auth") < at(steps, "restart")
    assert set().union(*(step.restarted for step in steps)) == {"auth"}


def test_every_kind_has_its_lines() -> None:
    section = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8").split("### New secrets\n")[1]
    blocks = {part.split("\n")[0].removeprefix("# ").split(":")[0].split(";")[0] for part in section.split("```sh\n")}

    assert {str(kind) for kind in SUCCESSIONS} < blocks
