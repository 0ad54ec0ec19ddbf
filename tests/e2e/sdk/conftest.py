"""An app with tables in a project with two devices, and containers of it."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from attrs import frozen

from tests.harness.clients import Account, connect, new_name, run_aside
from tests.harness.running import RunningPlatform
from tests.harness.sdk import Container
from tests.harness.waiting import wait_until
from tests.integration.router_node.wire import WampError

IMAGE: Final = f"registry.example.com/press@sha256:{'0' * 64}"
TIME: Final = {"id": "tsp", "dataType": "timestamp"}
TEMPLATE: Final[dict[str, Any]] = {
    "data": {
        "tables": [
            {
                "tablename": "readings",
                "columns": [
                    TIME,
                    {"id": "speed", "dataType": "numeric"},
                    {"id": "count", "dataType": "bigint"},
                    {"id": "name", "dataType": "string"},
                    {"id": "ok", "dataType": "boolean"},
                    {"id": "extra", "dataType": "json"},
                    {"id": "seen", "dataType": "timestamp"},
                    {"id": "device", "dataType": "string", "path": "kwargs.DEVICE_NAME"},
                ],
            },
            {
                "tablename": "machines",
                "columns": [
                    TIME,
                    {"id": "name", "dataType": "string"},
                    {"id": "state", "dataType": "string"},
                    {"id": "load", "dataType": "numeric"},
                ],
                "maintainLatestFlagFor": ["name"],
            },
            {
                "tablename": "vault",
                "columns": [
                    TIME,
                    {"id": "name", "dataType": "string"},
                    {"id": "pin", "dataType": "string", "secret": True},
                ],
                "maintainLatestFlagFor": ["name"],
            },
            {"tablename": "inside", "columns": [TIME, {"id": "note", "dataType": "string"}], "private": True},
        ],
        "transforms": [
            {
                "tablename": "totals",
                "columns": [TIME, {"id": "name", "dataType": "string"}, {"id": "total", "dataType": "numeric"}],
                "sql": "SELECT max(tsp) AS tsp, name, sum(speed) AS total FROM readings GROUP BY name ORDER BY name",
                "schedule": "* * * * *",
                "materialize": False,
            }
        ],
    }
}


@frozen
class Site:
    """An app in a project, on two devices of it."""

    platform: RunningPlatform
    owner: Account
    project: int
    app: int
    name: str
    devices: tuple[int, int]

    def environment(self, device: int, app: int | None = None) -> dict[str, str]:
        """What the agent would give the app's container on the device."""
        asked = {"device": device, "app": app or self.app, "stage": "DEV"}
        told = self.owner.call("ironflock.devices.app.environment", **asked)["environment"]
        return {name: str(value) for name, value in told.items()}

    def container(self, version: str, device: int = 0, **more: str) -> Container:
        """A container of the app on the first device or the second."""
        return Container(self.platform, version, {**self.environment(self.devices[device]), **more})

    def let_legacy_in(self, mode: str = "own_realm_only") -> None:
        """Containers of old SDKs may come, for a day."""
        ends_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()  # noqa: TID251 - a date of a wish
        wish = {"project": self.project, "mode": mode, "ends_at": ends_at}
        self.owner.call("ironflock.realms.project.set_legacy_mode", **wish)

    def install(self, name: str, template: dict[str, Any], *, on_devices: bool = True) -> int:
        """One more app in the project; its key."""
        app: int = self.owner.call("ironflock.realms.app.create", name=name)["app_key"]
        release = {"app": app, "version": "1.0.0", "image": IMAGE, "data_template": template}
        self.owner.call("ironflock.realms.release.create", **release)
        self.owner.call("ironflock.realms.install.create", project=self.project, app=app, stage="DEV")
        if on_devices:
            self.put_on_devices(app)
        return app

    def put_on_devices(self, app: int) -> None:
        """The app is on both devices."""
        for device in self.devices:
            self.owner.call("ironflock.devices.app.install", device=device, app=app, stage="DEV")


def make_site(platform: RunningPlatform, owner: Account) -> Site:
    """A new project with an app in it."""
    project = owner.project()
    flashed = [owner.flashed(project)["device_key"] for _ in range(2)]
    site = Site(platform, owner, project, 0, new_name("press"), (flashed[0], flashed[1]))
    app = site.install(site.name, TEMPLATE)
    made = Site(platform, owner, project, app, site.name, site.devices)
    wait_until(lambda: _is_ready(made), 30.0, "the data realm is ready")
    wait_until(lambda: run_aside(_is_served(made)), 30.0, "the data realm is served")
    return made


def _is_ready(site: Site) -> bool:
    realms = site.owner.call("ironflock.realms.realm.list", project=site.project)["realms"]
    return any(each["app_key"] == site.app and each["state"] == "ready" for each in realms)


async def _is_served(site: Site) -> bool:
    told = site.environment(site.devices[0])
    async with await connect(site.platform, "/ws-ua-usr") as peer:
        realm = f"realm-{site.project}-{site.app}-dev"
        await peer.join_cra(realm, told["APP_AUTH_ID"], told["APP_AUTH_SECRET"])
        try:
            await peer.call("history.transformed.readings", {"limit": 1})
        except WampError as error:
            if error.uri == "wamp.error.no_such_procedure":
                return False
            raise
        return True


@pytest.fixture(scope="module")
def site(ironflock: RunningPlatform) -> Site:
    return make_site(ironflock, Account(ironflock, ironflock.owner_key))
