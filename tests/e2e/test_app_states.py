"""Apps on a device of a running platform, with the stand-in agent: installed, started, upgraded, gone."""

import json
from typing import Any, Final

import pytest

from tests.harness.clients import Account, new_name
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.real
IMAGE: Final = f"registry.example.com/press@sha256:{'0' * 64}"
APPS: Final = "ironflock.devices.app"
WITHIN_S: Final = 15.0


def released(owner: Account, project: int) -> int:
    """A new app of two releases, the first of which is in the project."""
    app: int = owner.call("ironflock.realms.app.create", name=new_name("press"))["app_key"]
    for version in ("1.0.0", "1.1.0"):
        owner.call("ironflock.realms.release.create", app=app, version=version, image=IMAGE)
    owner.call("ironflock.realms.install.create", project=project, app=app, stage="PROD", version="1.0.0")
    return app


class Placed:
    """An app and a flashed device of its project, as the owner sees them."""

    def __init__(self, owner: Account, flockctl: Flockctl) -> None:
        """Make both; the app is not on the device yet."""
        project = owner.project()
        flock = owner.flashed(project)
        self.owner = owner
        self.key = flock["device_key"]
        self.which: dict[str, Any] = {"device": self.key, "app": released(owner, project), "stage": "PROD"}
        (flockctl.folder / "apps.flock").write_text(json.dumps(flock), encoding="utf-8")

    def wished(self, verb: str, **more: Any) -> None:
        """Somebody wants something of the app."""
        self.owner.call(f"{APPS}.{verb}", **self.which, **more)

    def becomes(self, state: str, version: str | None) -> None:
        """The device says so."""

        def is_so() -> bool:
            shown = self.owner.call(f"{APPS}.status", **self.which)
            return (shown["state"], shown["present_version"], shown["is_told"]) == (state, version, True)

        wait_until(is_so, WITHIN_S, f"the app is {state} with {version}")


def test_an_app_is_installed_started_upgraded_rolled_back_and_goes(
    ironflock: RunningPlatform, flockctl: Flockctl, owner: Account
) -> None:
    placed = Placed(owner, flockctl)
    with flockctl.running("simulate", "--flock", "apps.flock"):
        wait_until(lambda: owner.status(placed.key) == "CONNECTED", WITHIN_S, "the device is online")
        placed.wished("install")
        placed.becomes("PRESENT", "1.0.0")
        placed.wished("start")
        placed.becomes("RUNNING", "1.0.0")
        placed.wished("upgrade", version="1.1.0")
        placed.becomes("RUNNING", "1.1.0")
        placed.wished("rollback")
        placed.becomes("RUNNING", "1.0.0")
        placed.wished("stop")
        placed.becomes("PRESENT", "1.0.0")
        killed = ironflock.kill("devices")
        wait_until(lambda: ironflock.is_back("devices", killed), 30, "devices is back")
        placed.wished("start")
        placed.becomes("RUNNING", "1.0.0")
    wait_until(lambda: owner.status(placed.key) == "DISCONNECTED", WITHIN_S, "the device is offline")
    placed.wished("uninstall")
    with flockctl.running("simulate", "--flock", "apps.flock"):
        wait_until(lambda: owner.call(f"{APPS}.list", device=placed.key)["apps"] == [], 30, "the app has gone")
