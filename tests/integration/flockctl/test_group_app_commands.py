"""`flockctl group apps` against a router that plays the platform."""

from typing import Any

from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_router import FakeRouter

GROUP_APP = "ironflock.devices.group_app"
SHOWN: dict[str, Any] = {
    "group_key": 4, "app_key": 26, "stage": "PROD", "app_name": "weather", "target": "RUNNING", "version": "1.1.0",
    "variables": ["RATE"], "account_key": 5, "changed_at": "2026-11-30T09:00:00Z", "applied": 3, "own": 1, "waiting": 2,
    "refused": [{"device_key": 7, "reason": "lacks INSTALL"}],
}  # fmt: skip
WHICH = {"group": "line-4", "app": 26, "stage": "PROD"}


def test_apps_of_a_group_are_set_listed_and_unset(router: FakeRouter, flockctl: CommandLine) -> None:
    answers = router.script.procedures
    answers["ironflock.realms.app.show"] = lambda **_: {"app_key": 26, "name": "weather"}
    answers[f"{GROUP_APP}.set"] = lambda **_: SHOWN
    answers[f"{GROUP_APP}.unset"] = lambda **_: None
    answers[f"{GROUP_APP}.list"] = lambda **_: {"apps": [SHOWN]}
    said = ("line-4", "weather", "--stage", "prod")

    made = flockctl(
        "group", "apps", "set", *said, "--version", "1.1.0", "--file", "-", "--secret", "TOKEN", "--json",
        told="RATE=5\nTOKEN=x\n",
    )  # fmt: skip
    assert made.json == {"app": SHOWN}
    wanted = {"target": "RUNNING", "values": {"RATE": "5", "TOKEN": "x"}, "secrets": ["TOKEN"], "version": "1.1.0"}
    assert heard(router, f"{GROUP_APP}.set") == [{**WHICH, **wanted}]
    flockctl("group", "apps", "set", "4", "26", "--stage", "dev", "--target", "present", "--project", "plant")
    assert heard(router, f"{GROUP_APP}.set")[1] == {
        "group": 4, "project": "plant", "app": 26, "stage": "DEV", "target": "PRESENT", "values": {}, "secrets": []
    }  # fmt: skip
    listed = flockctl("group", "apps", "list", "line-4")
    for word in ("weather", "running 1.1.0", "7: lacks INSTALL"):
        assert word in listed.out
    assert flockctl("group", "apps", "list", "line-4", "--json").json == {"apps": [SHOWN]}
    assert flockctl("group", "apps", "unset", *said, "--json").json == {"unset": WHICH}
    assert "its devices keep it" in flockctl("group", "apps", "unset", *said).out
