"""What the published agent calls, with its exact shapes (wire-agent section 4). The numbers are that section's."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from services.devices.assembly import Parts
from services.devices.feed import Change
from services.devices.records.agents import (
    AskAppStates,
    CheckPrivilege,
    DeviceMetadata,
    ReadDeviceMetadata,
    StatusAnswer,
    UpdateAppOnDevice,
    UpdateDeviceArchitecture,
    UpdateDeviceStatus,
)
from services.devices.records.apps import SaidOfApp
from services.devices.records.devices import Device, Machine
from services.devices.rules import devices as rules
from services.devices.store import devices as store
from shared import audit
from shared.allowance import Allowance
from shared.errors import (
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    OutcomeUnknownError,
    OverLimitError,
    UnavailableError,
)
from shared.identities import DeviceIdentity
from shared.names import clean_token
from shared.procedures import NoArguments, for_devices
from shared.quiet import Quiet

CHANGES: Final = 10
WINDOW_S: Final = 3_600.0
TOO_OFTEN: Final = "this device tells of another machine too often; tell again within the hour"
FOREIGN: Final = "a device speaks for itself only"


class AgentProcedures:
    """Devices' procedures for agents: they rest on the identity of the session alone (decisions 8 and 14)."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these; the update URL of device files is also where apps on the device find the platform."""
        self._database = parts.database
        self._credentials = parts.credentials
        self._presence = parts.presence
        self._feed = parts.feed
        self._rights = parts.rights
        self._app_reports = parts.apps.reports
        self._flock = parts.flock
        self._base_url = parts.flock.update_url
        self._quiet = Quiet()
        self._allowance = Allowance(CHANGES, WINDOW_S)

    @for_devices("reswarm.devices.read_device_metadata", ReadDeviceMetadata)
    async def read_device_metadata(self, device: DeviceIdentity, request: ReadDeviceMetadata) -> DeviceMetadata:
        """2: names and project, by device key, since a moved device still calls under its old authid."""
        await self._own(device, rules.is_own(device, request.device_key))
        with self._asks_once(device):
            row = await self._row(device)
        return DeviceMetadata(
            device_name=row.name, swarm_name=row.project_name, ownername=row.owner_name, swarm_key=row.project_key
        )

    @for_devices("reswarm.devices.get_app_cred_key")
    async def get_app_cred_key(self, device: DeviceIdentity, request: NoArguments) -> str:  # noqa: ARG002
        """3: the key from which the device derives its apps' credentials."""
        with self._asks_once(device):
            return await self._credentials.app_cred_key(device.device_key)

    @for_devices("reswarm.devices.update_device_status", UpdateDeviceStatus)
    async def update_device_status(self, device: DeviceIdentity, request: UpdateDeviceStatus) -> StatusAnswer:
        """4: what the device says of itself, at first and every 30 seconds."""
        await self._own(device, rules.is_own(device, request.device_key, request.swarm_key))
        await self._presence.report(device, request.status, rules.known_stats(request.stats))
        return StatusAnswer(reswarmBaseURL=self._base_url)

    @for_devices("reswarm.devices.update_device_architecture", UpdateDeviceArchitecture)
    async def update_device_architecture(self, device: DeviceIdentity, request: UpdateDeviceArchitecture) -> None:
        """5: the machine and the agent's release."""
        await self._own(device, rules.is_own(device, request.device_key, request.swarm_key))
        said = Machine(
            architecture=clean_token(request.architecture),
            os=clean_token(request.os),
            agent_version=clean_token(request.agent_version),
        )
        async with self._database.transaction() as connection:
            row = await store.device_lock_in_txn(connection, device.device_key)
            if row is None or row.machine == said:
                return
            if not self._allowance.take(device.device_key, asyncio.get_running_loop().time()):
                raise OverLimitError(TOO_OFTEN)
            await store.device_set_machine(connection, device.device_key, said)
            await audit.record(connection, _machine_changed(device, row, said))
        self._feed.tell(Change(device_key=device.device_key, project_key=device.project_key))

    @for_devices("reswarm.containers.get_requested_app_states", AskAppStates)
    async def get_requested_app_states(self, device: DeviceIdentity, request: AskAppStates) -> list[dict[str, Any]]:
        """6: all that is to be on the device; the agent deletes whatever is not in it, so that a doubt is an error."""
        await self._own(device, rules.is_own(device, request.device_key))
        with self._asks_once(device):
            return await self._app_reports.requested(device)

    @for_devices("reswarm.containers.update_app_on_device", UpdateAppOnDevice)
    async def update_app_on_device(self, device: DeviceIdentity, request: UpdateAppOnDevice) -> None:
        """7: what the agent says of an app, or of its ports; an error would end what it is at."""
        await self._own(device, rules.is_own(device, request.device_key))
        which = (device.device_key, request.app_key, request.stage)
        if request.state is not None:
            said = SaidOfApp(request.state, request.release_key, request.updateStatus)
            await self._app_reports.said(*which, said)
        elif request.ports is not None:
            await self._app_reports.said_ports(*which, request.ports)
        else:
            raise InvalidArgumentError("state or ports must be said", argument="state")

    @for_devices("reswarm.containers.get_registry_token")
    async def get_registry_token(self, device: DeviceIdentity, request: NoArguments) -> str:  # noqa: ARG002
        """8: by what the device logs in to the registry, whoever asked for it; it opens the images of its own apps."""
        repositories = await self._app_reports.repositories(device, self._flock)
        return await self._credentials.registry_token(device.device_key, repositories)

    @for_devices("reswarm.devices.check_privilege", CheckPrivilege)
    async def check_privilege(self, device: DeviceIdentity, request: CheckPrivilege) -> bool:
        """9: whether a person may do something with the device; a real boolean, about the asking device only.

        While nobody knows who holds what it is an error, which the agent takes for a refusal.
        """
        await self._own(device, rules.is_own(device, request.entity_key))
        if not rules.is_answerable(request):
            return False
        row = await self._row(device)
        asked, place = rules.asset(row), rules.domain(row.project_key)
        return (await self._rights.decide(request.requestor_account_key, request.privilege, asked, place)).allowed

    @for_devices("reswarm.registry.run_gc")
    async def run_gc(self, device: DeviceIdentity, request: NoArguments) -> dict[str, str]:  # noqa: ARG002
        """12: there is no registry on the appliance to clean; the answer is free-form."""
        return {}

    @contextmanager
    def _asks_once(self, device: DeviceIdentity) -> Iterator[None]:
        """Have the device reconnect later where what it asks once a connection cannot be answered now."""
        try:
            yield
        except (UnavailableError, OverLimitError, OutcomeUnknownError):
            self._presence.asked_in_vain(device)
            raise

    async def _row(self, device: DeviceIdentity) -> Device:
        row = await self._database.run(lambda connection: store.device_find(connection, device.device_key))
        if row is None:
            raise NotFoundError("this device is not registered any more")
        return row

    async def _own(self, device: DeviceIdentity, is_own: bool) -> None:  # noqa: FBT001 - the verdict of a rule
        if is_own:
            return
        count = self._quiet.take(device.device_key, asyncio.get_running_loop().time())
        if count is not None:
            await self._record_foreign(device, count)
        raise NotAuthorizedError(FOREIGN)

    async def _record_foreign(self, device: DeviceIdentity, count: int) -> None:
        async with self._database.transaction() as connection:
            await audit.record(
                connection,
                audit.Draft(
                    action=audit.Action.DEVICE_IMPERSONATED,
                    aspect=audit.Aspect.IDENTITY,
                    actor=audit.actor_of(device),
                    asset=audit.Asset("device", device.device_key),
                    project_key=device.project_key,
                    after={"attempts": count},
                    session=device.session,
                    outcome=audit.Outcome.REFUSED,
                ),
            )


def _machine_changed(device: DeviceIdentity, row: Device, said: Machine) -> audit.Draft:
    was, becomes = rules.difference(row.machine, said)
    return audit.Draft(
        action=audit.Action.DEVICE_ARCHITECTURE_CHANGED,
        aspect=audit.Aspect.ARCHITECTURE,
        actor=audit.actor_of(device),
        asset=audit.Asset("device", row.device_key),
        project_key=row.project_key,
        before=was,
        after=becomes,
        session=device.session,
    )
