"""`flockctl apply` on a running platform: a fleet as a file, made so, and the same file again."""

from pathlib import Path
from typing import Any

import pytest

from tests.harness.accounts import Stranger
from tests.harness.clients import new_name
from tests.harness.commands import Flockctl

pytestmark = pytest.mark.real

FLEET = """
projects:
  {project}:
    description: made by a file
    require_same_address: false
    members: [{member}]
    defaults:
      device: [READ]
    apps:
      {app}: {{prod: {{version: "1.0.0"}}}}
    devices:
      press-1:
        description: by the window
        apps:
          {app}: {{prod: {{version: "1.0.0", running: true}}}}
      press-2:
    groups:
      line-4:
        devices: [press-1, press-2]
        grants:
          {member}: {{flags: [READ, OPERATE], until: 2099-01-31T18:00:00Z}}
    grants:
      {member}: [READ, AUDIT]
"""
IMAGE = f"registry.example.com/press@sha256:{'0' * 64}"


def test_a_file_is_made_so_and_then_asks_for_nothing(flockctl: Flockctl, stranger: Stranger, tmp_path: Path) -> None:
    project, app, file = new_name("plant"), new_name("press"), tmp_path / "fleet.yaml"
    file.write_text(FLEET.format(project=project, app=app, member=stranger.login_name))
    flockctl.json("app", "create", app)
    flockctl.json("app", "release", app, "1.0.0", "--image", IMAGE)

    def applied(*options: str) -> Any:
        return flockctl.json("apply", "-f", str(file), *options)

    shown = applied("--dry-run")
    assert project not in [each["name"] for each in flockctl.json("project", "list")["projects"]]
    first = applied("--yes")
    assert first["steps"] == shown["steps"]
    assert first["done"] == len(first["steps"]) == 12
    assert len(first["waiting"]) == 1
    key_file = tmp_path / "stranger.key"
    key_file.write_text(stranger.account.api_key)
    as_stranger = ("--api-key-file", str(key_file))
    (invitation,) = flockctl.json("invitation", "list", *as_stranger)["invitations"]
    flockctl.json("invitation", "accept", str(invitation["invitation_key"]), *as_stranger)
    second, third = applied("--yes"), applied("--yes")

    assert [step["does"] for step in second["steps"]] == ["add", "add"]
    assert (third["steps"], third["waiting"]) == ([], [])
    assert (
        flockctl.run("can", stranger.login_name, "OPERATE", "--on", "device:press-1", "--project", project).status == 0
    )

    file.write_text(FLEET.format(project=project, app=app, member=stranger.login_name).replace(", press-2]", "]"))
    assert applied("--yes")["steps"] == []
    taken = applied("--yes", "--prune")
    assert [step["what"] for step in taken["steps"]] == [f"device press-2 out of group line-4 of {project}"]


def test_a_step_that_is_refused_says_which_and_how_far_it_got(flockctl: Flockctl, tmp_path: Path) -> None:
    project, file = new_name("plant"), tmp_path / "fleet.yaml"
    file.write_text(f"projects: {{{project}: {{members: [nobody@example.com], devices: {{press-1: }}}}}}")

    refused = flockctl.run("apply", "-f", str(file), "--yes").error

    assert refused["done"] == 1
    assert "step 2 of 3 (invite nobody@example.com" in refused["message"]
    assert flockctl.run("apply", "-f", str(file)).error["code"] == "not_confirmed"
