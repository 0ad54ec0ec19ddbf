"""What certifies that a device is out of service, and has its rows deleted where that was wished (decision 25).

The device goes first: its secret, its sessions, its row. Then fleetdb deletes what it wrote, in pieces, for as long as
it takes, and looks through everything once more when whatever was being written then has ended; then it is certified.
"""

from typing import Final

import structlog
from autobahn.wamp.exception import ApplicationError

from services.devices.records.apps import AppOnDevice
from services.devices.records.decommissions import Decommission, EndedSecrets, ErasedRows, ErasedTable
from services.devices.records.devices import Device
from services.devices.rules import decommissions as rules
from services.devices.store import decommissions as store
from services.devices.store.devices import clock
from shared import audit
from shared.bus import Bus
from shared.database import Connection, Database
from shared.errors import PublicError
from shared.procedures import answered

ERASE_TIMEOUT_S: Final = 40.0
"""Longer than a statement of a data backend may take."""
LEASE_S: Final = 60.0
SETTLED_AFTER_S: Final = 75.0
"""Rows that wait to be written wait for half a minute at most, and no transaction of a backend lasts over a minute."""
MOST_S: Final = 60.0
LAST_ROUND: Final = 2

log = structlog.get_logger()


async def certify_in_txn(
    connection: Connection, device: Device, ended: EndedSecrets | None, apps: list[AppOnDevice]
) -> None:
    """Certify that the device is out of service, where that was wished, or have its rows deleted before that."""
    begun = await store.decommission_find(connection, device.device_key)
    if begun is None:
        return
    certificate = rules.certificate(begun, device, ended, apps, await clock(connection))
    if begun.data == "delete":
        await store.decommission_draft(connection, device.device_key, certificate)
        await audit.record(connection, _deletion(begun, audit.Outcome.INTENDED))
        return
    await store.decommission_certify(connection, device.device_key, certificate)
    await audit.record(connection, _certified(begun, rules.digest(certificate)))


class Erasures:
    """Goes on with the devices whose rows are to be deleted."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Ask fleetdb over `bus`."""
        self._bus = bus
        self._database = database

    async def keep_up(self) -> None:
        """Go on with every one that is due; what is in the way of one is no other's trouble."""
        while (due := await self._database.run(lambda one: store.erasure_take(one, lease_s=LEASE_S))) is not None:
            try:
                answer = await self._bus.call(
                    "ironflock.fleetdb.device.erase",
                    timeout_s=ERASE_TIMEOUT_S,
                    request=str(due.certificate_id),
                    round=due.round,
                    project_key=due.project_key,
                    device_key=due.device_key,
                )
            except (PublicError, ApplicationError) as error:
                log.warning("erasure_postponed", device_key=due.device_key, error=type(error).__name__)
                await self._postpone(due)
            else:
                await self._note(due, answered(ErasedRows, answer))

    async def _postpone(self, due: Decommission) -> None:
        key = due.device_key
        await self._database.run(lambda one: store.erasure_postpone(one, key, most_s=MOST_S))

    async def _note(self, due: Decommission, answer: ErasedRows) -> None:
        async with self._database.transaction() as connection:
            found = await store.erasure_lock_in_txn(connection, due.device_key)
            if found is None or found.round != due.round:
                return  # another replica was quicker
            erased = rules.added_up([ErasedTable(**each) for each in found.erased], answer.tables)
            await store.erasure_note(connection, found.device_key, erased, answer.left)
            if answer.is_done and found.round == LAST_ROUND:
                await _finish(connection, found, erased)
            elif answer.is_done:
                await store.erasure_last_round(connection, found.device_key, SETTLED_AFTER_S)
            elif answer.is_more:
                await store.erasure_again(connection, found.device_key)
            else:
                await store.erasure_postpone(connection, found.device_key, most_s=MOST_S)


async def _finish(connection: Connection, begun: Decommission, erased: list[ErasedTable]) -> None:
    certificate = rules.with_rows_gone(begun.draft or {}, erased, await clock(connection))
    await store.decommission_certify(connection, begun.device_key, certificate)
    await audit.record(connection, _deletion(begun, audit.Outcome.DONE, sum(each.rows for each in erased)))
    await audit.record(connection, _certified(begun, rules.digest(certificate)))


def _deletion(begun: Decommission, outcome: audit.Outcome, rows: int | None = None) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.DEVICE_DATA_DELETED,
        aspect=audit.Aspect.EXISTENCE,
        actor=audit.Actor(audit.ActorKind.SERVICE, "devices", on_behalf_of=begun.account_key),
        asset=audit.Asset("device", begun.device_key),
        project_key=begun.project_key,
        after=None if rows is None else {"rows": rows},
        request_id=str(begun.certificate_id),
        outcome=outcome,
    )


def _certified(begun: Decommission, digest: str) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.DEVICE_DECOMMISSIONED,
        aspect=audit.Aspect.EXISTENCE,
        actor=audit.Actor(audit.ActorKind.PERSON, begun.account_key),
        asset=audit.Asset("device", begun.device_key),
        project_key=begun.project_key,
        after={"certificate_sha256": digest},
        request_id=str(begun.certificate_id),
    )
