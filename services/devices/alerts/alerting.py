"""Alerts: raised and resolved with the transaction that knows, or found by looking; one for each trouble, so no storms.

What can be seen in the registry (devices that are away or in need, apps that have failed) is looked for every few
seconds and compared with the alerts that are open, so that nothing is missed whatever was away. What only happens
(two devices with one identity, a rollout that stops) is raised by whoever knows. Either way channels are told by rows
of the same transaction.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from services.devices.records.alerts import AlertKind, AlertState, Severity, Trouble
from services.devices.rules import alerts as alert_rules
from services.devices.store import alert_channels as channels
from services.devices.store import alerts as store
from shared.database import Connection, Database
from shared.nudge import Nudge

LOOK_EVERY_S: Final = 5.0
LAST_SEEN_S: Final = 900.0
"""What only happens is over when it has not happened for so long."""
KEPT_FOR: Final = timedelta(days=90)
BATCH: Final = 1_000
GAP_S: Final = 300.0
MOST_GAP_S: Final = 3_600.0

log = structlog.get_logger()


class Alerting:
    """The alerts of all projects."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """Keep them in `database`; `clock` gives Unix seconds."""
        self._database = database
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []
        self._nudge = Nudge()

    def now(self) -> datetime:
        """What time it is."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener` run when something may have changed."""
        self._listeners.append(listener)

    def wake(self) -> None:
        """Something was raised or resolved, and is committed: let it be told now."""
        for listener in self._listeners:
            listener()

    async def raise_(self, connection: Connection, trouble: Trouble) -> None:
        """With the transaction of `connection`, alert of `trouble`; where that is so already, nothing is told again.

        One that ended within half an hour is the same one, open again, unless its kind is another each time. Wake when
        the transaction is committed.
        """
        rule = alert_rules.rule_of(trouble.kind, await store.rule_list(connection, trouble.project_key))
        if not rule.is_on:
            return
        now = self.now()
        known = await store.alert_lock_newest_in_txn(connection, trouble)
        if known is not None and known.state != "resolved":
            await self._see(connection, known.alert_key, trouble, rule.severity, now)
            return
        if known is not None and alert_rules.is_same(known, now):
            key: int | None = known.alert_key
            await store.alert_reopen(connection, known.alert_key, trouble, rule.severity, now)
        else:
            key = await store.alert_insert(connection, trouble, rule.severity, now)
        if key is not None:
            await store.alert_add_devices(connection, key, trouble.devices)
            await self._put(connection, key, now)

    async def _see(
        self, connection: Connection, alert_key: int, trouble: Trouble, severity: Severity, now: datetime
    ) -> None:
        """The trouble is there still; many more that went away are another outage, and told as news."""
        await store.alert_see(connection, alert_key, now)
        added = await store.alert_add_devices(connection, alert_key, trouble.devices)
        if added and trouble.kind == "devices_offline":
            await store.alert_renew(connection, alert_key, trouble, severity, now)
            await channels.telling_renew(connection, alert_key)
            await self._put(connection, alert_key, now)

    async def resolve(self, connection: Connection, kind: AlertKind, project_key: int, subject: str) -> None:
        """With the transaction of `connection`, that trouble is over. Wake when the transaction is committed."""
        known = await store.alert_lock_newest_in_txn(connection, Trouble(kind, project_key, subject, {}))
        if known is not None:
            await self.set_state(connection, known.alert_key, "resolved")

    async def set_state(
        self, connection: Connection, alert_key: int, state: AlertState, *, account_key: int | None = None
    ) -> bool:
        """With the transaction of `connection`, the alert is in that state; False where it was, or was resolved."""
        now = self.now()
        if not await store.alert_set_state(connection, alert_key, state, now, account_key=account_key):
            return False
        # An end is told when it has lasted: what flaps is not told each time.
        settles = timedelta(seconds=alert_rules.SETTLED_AFTER_S if state == "resolved" else 0.0)
        await self._put(connection, alert_key, now + settles)
        return True

    async def keep_true(self) -> None:
        """Wait some seconds, and have alerts say what is.

        Raises:
            PublicError: The database is away.
        """
        await self._nudge.wait(LOOK_EVERY_S)
        await self.look()

    def look_soon(self) -> None:
        """A rule was changed: look now."""
        self._nudge.give()

    async def look(self) -> None:
        """Raise what is wrong, resolve what is over, forget what is long over; one process at a time does."""
        now = self.now()
        async with self._database.transaction() as connection:
            if not await store.looking_lock_in_txn(connection):
                return
            over = await store.over_list(connection, seen_before=now - timedelta(seconds=LAST_SEEN_S), limit=BATCH)
            for alert_key in over:
                await self.set_state(connection, alert_key, "resolved")
            await store.alert_drop_devices(connection)
            troubles = await self._troubles(connection, now)
            for trouble in troubles:
                await self.raise_(connection, trouble)
            await store.alert_sweep(connection, resolved_before=now - KEPT_FOR, limit=BATCH)
        if over or troubles:
            log.info("alerts_changed", raised=len(troubles), resolved=len(over))
            self.wake()

    async def _troubles(self, connection: Connection, now: datetime) -> list[Trouble]:
        rules = alert_rules.RULES
        many_on = rules["devices_offline"].is_on
        offline = await store.offline_list(connection, rules["device_offline"], now=now, many_on=many_on)
        in_need = await store.emergency_list(connection, rules["device_emergency"], now=now)
        failed = await store.failed_app_list(connection, rules["app_failed"], now=now)
        return [*alert_rules.troubles_of(offline), *in_need, *failed][:BATCH]

    async def _put(self, connection: Connection, alert_key: int, at: datetime) -> None:
        alert = await store.alert_find(connection, alert_key)
        if alert is not None:
            severities = alert_rules.reaches(alert.severity)
            await channels.telling_put(connection, alert_key, severities, now=at, gap_s=GAP_S, most_s=MOST_GAP_S)
