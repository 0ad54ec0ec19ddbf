"""Recordings of terminal visits, for people."""

from typing import Any, Final

from services.tunnels.assembly import Parts
from services.tunnels.records.recordings import (
    ChooseRecorded,
    FetchRecording,
    ListRecordings,
    RecordedApps,
    RecordingPage,
    RecordingPart,
)
from services.tunnels.records.visits import Cause, Visit
from services.tunnels.rules.tunnels import app_of
from services.tunnels.store import recordings as store
from services.tunnels.store import tunnels
from shared import audit
from shared.errors import NotFoundError
from shared.identities import Person
from shared.paging import page, position_after
from shared.procedures import for_people
from shared.rights.records import project_asset, project_domain

NO_RECORDING: Final = "there is no such recording, or you may not see it"
NO_PROJECT: Final = "there is no such project, or you may not see it"


class RecordingProcedures:
    """Tunnels' procedures about recordings."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._devices = parts.devices
        self._rights = parts.rights
        self._recordings = parts.recordings
        self._visiting = parts.visiting
        self._open_ports = parts.open_ports

    @for_people("ironflock.tunnels.recording.choose", ChooseRecorded)
    async def recording_choose(self, person: Person, request: ChooseRecorded) -> RecordedApps:
        """The apps of a project whose raw visits are recorded from now on (flag `GRANT` on the project).

        Who is there unrecorded is cut.
        """
        [key] = await self._devices.projects(person, request.project)
        await self._rights.require(person, "GRANT", project_asset(key), project_domain(key), absent=NO_PROJECT)
        apps = sorted({app_of(each) for each in request.apps})
        async with self._database.transaction() as connection:
            await tunnels.tunnel_lock_raw_of_in_txn(connection, key)
            before = await store.recorded_app_list(connection, key)
            if before != apps:
                await store.recorded_app_replace_in_txn(connection, key, apps)
                draft = _draft(person, audit.Action.TUNNEL_RECORDING_CHOSEN, key, {"apps": apps}, {"apps": before})
                await audit.record(connection, draft)
        new = set(apps).difference(before)

        def is_meant(visit: Visit) -> bool:
            return visit.project_key == key and visit.protocol == "tcp" and visit.app in new

        self._visiting.cut(is_meant, Cause.CLOSED)
        self._open_ports.look()
        return RecordedApps(key, apps)

    @for_people("ironflock.tunnels.recording.list", ListRecordings, is_reading=True)
    async def recording_list(self, person: Person, request: ListRecordings) -> RecordingPage:
        """The recordings of a project (flag `AUDIT` on it), the newest first, paged; and the apps that are recorded."""
        before = position_after(request.cursor)
        [key] = await self._devices.projects(person, request.project)
        await self._rights.require(person, "AUDIT", project_asset(key), project_domain(key), absent=NO_PROJECT)
        apps = await self._database.run(lambda connection: store.recorded_app_list(connection, key))
        found = await self._database.run(
            lambda connection: store.recording_list(connection, key, before=before, limit=request.limit + 1)
        )
        recordings, cursor = page(found, request.limit, lambda recording: recording.visit_key)
        return RecordingPage(apps, recordings, cursor)

    @for_people("ironflock.tunnels.recording.fetch", FetchRecording, is_reading=True)
    async def recording_fetch(self, person: Person, request: FetchRecording) -> RecordingPart:
        """A piece of a visit's recording (flag `AUDIT` on the project); that it is read is recorded before.

        Raises:
            NotFoundError: There is none, or they may not see it.
        """
        found = await self._database.run(lambda connection: store.recording_find(connection, request.visit))
        if found is None:
            raise NotFoundError(NO_RECORDING)
        try:
            [key] = await self._devices.projects(person, found.project_key)
            await self._rights.require(person, "AUDIT", project_asset(key), project_domain(key), absent=NO_RECORDING)
        except NotFoundError as error:
            raise NotFoundError(NO_RECORDING) from error
        async with self._database.transaction() as connection:
            what = {"visit_key": found.visit_key, "part": request.part}
            await audit.record(
                connection, _draft(person, audit.Action.TUNNEL_RECORDING_FETCHED, found.project_key, what, None)
            )
        cast, following = await self._recordings.part_of(found, request.part)
        return RecordingPart(found.visit_key, cast, following, found.sha256)


def _draft(
    person: Person, action: audit.Action, project_key: int, after: dict[str, Any], before: dict[str, Any] | None
) -> audit.Draft:
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.ACCESS,
        actor=audit.actor_of(person),
        asset=audit.Asset("project", project_key),
        project_key=project_key,
        before=before,
        after=after,
        session=person.session or None,
    )
