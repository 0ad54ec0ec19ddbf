"""Which apps projects have: only those can be on their devices, and they leave them with the project's install.

Realms owns installs and tells of their ends. What it says is asked again before anything goes, since two events may
come in another order than they happened; what was missed is found by asking about every install of which a device has
the app, after each join of the bus, after every failure, and each ten minutes.

Many ends that nobody told of, found at once, are not believed: a realms that was restored to something older says the
same. Nothing goes then before somebody who may uninstall in the project has confirmed it.
"""

from datetime import datetime
from typing import Any, Final

import msgspec
import structlog
from attrs import evolve

from services.devices.apps.sessions import AppSessions
from services.devices.records.apps import AppRelease, FoundInstall, Install, RemovedApp
from services.devices.rules.apps import held_back
from services.devices.store import apps as store
from services.devices.store.app_states import app_learn
from services.devices.store.devices import clock
from services.devices.store.tunnel_orders import order_put_by_install
from shared import audit
from shared.bus import Bus
from shared.database import Database
from shared.errors import ConflictError
from shared.following import Following
from shared.identities import Person
from shared.procedures import answered
from shared.releases import Contents

TOPIC: Final = "ironflock.realms.install.changed"
COMPARE_INTERVAL_S: Final = 600.0
BATCH: Final = 200
NOT_INSTALLED: Final = "the project does not have this app at this stage; install it in the project first"
GONE_WITH_PROJECT: Final = "the project does not have the app any more"
BEFORE_ALL: Final = Install(0, 0, "DEV")
SERVICE: Final = audit.Actor(audit.ActorKind.SERVICE, "devices")

log = structlog.get_logger()


class Installs:
    """Asks realms, and takes from devices what their project does not have."""

    def __init__(self, bus: Bus, database: Database, app_sessions: AppSessions) -> None:
        """Ask and listen over `bus`."""
        self._bus = bus
        self._database = database
        self._app_sessions = app_sessions
        self.following = Following(bus, TOPIC, compare=self.compare, every_s=COMPARE_INTERVAL_S, hear=self._hear)

    async def find(self, install: Install) -> FoundInstall:
        """What realms knows of it.

        Raises:
            UnavailableError, OutcomeUnknownError: Realms is away.
        """
        answer = await self._bus.call(
            "ironflock.realms.install.find",
            project_key=install.project_key,
            app_key=install.app_key,
            stage=install.stage,
        )
        return answered(FoundInstall, answer)

    async def require(self, install: Install) -> FoundInstall:
        """What realms knows of it, where the project has it.

        Raises:
            ConflictError: It does not. Others as `find`.
        """
        found = await self.find(install)
        if not found.is_installed:
            raise ConflictError(NOT_INSTALLED)
        return found

    async def release(self, app_key: int, version: str) -> AppRelease:
        """The app's release of that version.

        Raises:
            NotFoundError: It has none. Others as `find`.
        """
        answer = await self._bus.call("ironflock.realms.release.find", app_key=app_key, version=version)
        return answered(AppRelease, answer)

    async def contents(self, release_key: int) -> Contents:
        """What the release asks for; errors as `release`."""
        return answered(Contents, await self._bus.call("ironflock.realms.release.contents", release_key=release_key))

    async def compare(self) -> None:
        """Ask realms about every install of which a device has the app."""
        every: list[Install] = []
        missing: dict[Install, datetime] = {}
        last = BEFORE_ALL
        while installs := await self._installs(last):
            for last in installs:
                every.append(last)
                asked_at = await self._database.run(clock)
                if not await self._is_there(last):
                    missing[last] = asked_at
        held = held_back(every, [*missing])
        for install, asked_at in missing.items():
            if install in held:
                log.error("install_end_not_believed", project_key=install.project_key, app_key=install.app_key)
            else:
                await self._leave(install, asked_at, None)

    async def settle(self, install: Install, by: Person | None = None) -> bool:
        """Take the app from the project's devices, unless the project has it; whether it does.

        Args:
            by: Who confirmed that it does not.
        """
        asked_at = await self._database.run(clock)
        is_there = await self._is_there(install)
        if not is_there:
            await self._leave(install, asked_at, by)
        return is_there

    async def confirm(self, person: Person, project_key: int) -> list[Install]:
        """Take from the project's devices all that it does not have; what that was."""
        gone: list[Install] = []
        last = evolve(BEFORE_ALL, project_key=project_key)
        while installs := await self._installs(last):
            for last in installs:
                if last.project_key != project_key:
                    return gone
                if not await self.settle(last, person):
                    gone.append(last)
        return gone

    async def _is_there(self, install: Install) -> bool:
        found = await self.find(install)
        if found.is_installed:
            await self._database.run(lambda connection: app_learn(connection, install, found))
        return found.is_installed

    async def _leave(self, install: Install, asked_at: datetime, by: Person | None) -> None:
        removed = 0
        while gone := await self._removed(install, asked_at, by):
            removed += len(gone)
            self._app_sessions.wake()
        if removed:
            log.info("apps_left_with_project", devices=removed, project_key=install.project_key)

    async def _installs(self, after: Install) -> list[Install]:
        return await self._database.run(lambda connection: store.install_list(connection, after=after, limit=BATCH))

    async def _removed(self, install: Install, before: datetime, by: Person | None) -> list[RemovedApp]:
        async with self._database.transaction() as connection:
            keys = await store.app_list_by_install(connection, install, before=before, limit=BATCH)
            await order_put_by_install(connection, install, keys)
            gone = await store.app_delete_by_install(connection, install, before=before, limit=BATCH)
            for each in gone:
                await self._app_sessions.end_install(connection, each.serial_number, install)
                await audit.record(connection, _left(install, each.device_key, by))
        return gone

    async def _hear(self, told: dict[str, Any]) -> None:
        install = _install_of(told)
        if told.get("is_installed") is False and install is not None:
            await self.settle(install)


def _install_of(told: dict[str, Any]) -> Install | None:
    try:
        return answered(Install, told)
    except msgspec.ValidationError:
        return None


def _left(install: Install, device_key: int, by: Person | None) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.DEVICE_APP_UNINSTALLED,
        aspect=audit.Aspect.STATE,
        actor=SERVICE if by is None else audit.actor_of(by),
        asset=audit.Asset("device", device_key),
        project_key=install.project_key,
        before={"app_key": install.app_key, "stage": install.stage},
        reason=GONE_WITH_PROJECT,
        session=None if by is None else by.session or None,
    )
