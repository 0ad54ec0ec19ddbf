"""What people see of alerts, and that they know of them."""

from typing import Final

from services.devices.assembly import Parts
from services.devices.records.alerts import Alert, AlertPage, ListAlerts, NameAlert, NameProject
from services.devices.records.devices import READ
from services.devices.store import alerts as store
from shared import audit
from shared.errors import ConflictError, NotFoundError
from shared.identities import Person
from shared.paging import page, position_after
from shared.procedures import Progress, for_people

NO_ALERT: Final = "there is no such alert, or you may not see it"
NOT_OPEN: Final = "this alert is not open: it was acknowledged, or is over"


class AlertProcedures:
    """Devices' procedures about alerts."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._reaching = parts.reaching
        self._alerting = parts.alerts.alerting
        self._feed = parts.alerts.feed

    @for_people("ironflock.devices.alert.list", ListAlerts, is_reading=True, is_narrowing=True)
    async def alert_list(self, person: Person, request: ListAlerts) -> AlertPage:
        """The alerts of a project (flag `READ`) that are not resolved, or those of one state; paged."""
        after = position_after(request.cursor)
        project = await self._reaching.project(person, READ, request.project)
        rows = await self._database.run(
            lambda connection: store.alert_list(
                connection, project.project_key, request.state, after=after, limit=request.limit + 1
            )
        )
        alerts, cursor = page(rows, request.limit, lambda alert: alert.alert_key)
        return AlertPage(alerts=alerts, next=cursor)

    @for_people("ironflock.devices.alert.acknowledge", NameAlert, is_narrowing=True)
    async def alert_acknowledge(self, person: Person, request: NameAlert) -> Alert:
        """Somebody knows of the alert (flag `UPDATE` on its project): its channels are not told again of it."""
        meant = await self._database.run(lambda connection: store.alert_find(connection, request.alert))
        if meant is None:
            raise NotFoundError(NO_ALERT)
        try:
            await self._reaching.project(person, "UPDATE", meant.project_key)
        except NotFoundError as error:
            raise NotFoundError(NO_ALERT) from error
        async with self._database.transaction() as connection:
            if not await self._alerting.set_state(
                connection, meant.alert_key, "acknowledged", account_key=person.account_key
            ):
                raise ConflictError(NOT_OPEN)
            found = await store.alert_find(connection, meant.alert_key)
            await audit.record(connection, _acknowledged(person, meant))
        self._alerting.wake()
        if found is None:
            raise NotFoundError(NO_ALERT)
        return found

    @for_people("ironflock.devices.alert.watch", NameProject, is_stream=True, is_reading=True, is_narrowing=True)
    async def alert_watch(self, person: Person, request: NameProject, progress: Progress) -> None:
        """Progressive: the alerts of a project (flag `READ`) that are not resolved, then each change."""
        await self._feed.run(person, await self._reaching.project(person, READ, request.project), progress)


def _acknowledged(person: Person, alert: Alert) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.ALERT_ACKNOWLEDGED,
        aspect=audit.Aspect.STATE,
        actor=audit.actor_of(person),
        asset=audit.Asset("alert", alert.alert_key),
        project_key=alert.project_key,
        after={"kind": alert.kind, "subject": alert.subject},
        session=person.session or None,
    )
