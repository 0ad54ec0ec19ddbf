"""What people read of the logs on devices."""

from services.devices.assembly import Parts
from services.devices.records.apps import NameApp
from services.devices.records.devices import NameDevice
from services.devices.records.operations import DeviceAnswer, QueryAppLogs, QueryLogs
from services.devices.rules import operations as can
from shared.identities import Person
from shared.procedures import Progress, for_people


class LogProcedures:
    """Devices' procedures about logs."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._operating = parts.operations.operating
        self._log_streams = parts.operations.log_streams

    @for_people("ironflock.devices.device.logs", QueryLogs, is_reading=True, is_narrowing=True)
    async def device_logs(self, person: Person, request: QueryLogs) -> DeviceAnswer:
        """The agent's own log (flag `READ`); each reading is recorded."""
        return await self._operating.read(person, can.LOGS, request, can.log_query(request))

    @for_people("ironflock.devices.device.app_logs", QueryAppLogs, is_reading=True, is_narrowing=True)
    async def device_app_logs(self, person: Person, request: QueryAppLogs) -> DeviceAnswer:
        """What an app on the device printed (flag `READ`); each reading is recorded."""
        return await self._operating.read_app(person, can.APP_LOGS, request, can.app_log_query(request))

    @for_people("ironflock.devices.device.app_log_history", NameApp, is_reading=True, is_narrowing=True)
    async def device_app_log_history(self, person: Person, request: NameApp) -> DeviceAnswer:
        """What the agent keeps of an app's log (flag `READ`); each reading is recorded."""
        return await self._operating.read_app(person, can.APP_LOG_HISTORY, request, {})

    @for_people("ironflock.devices.device.follow_logs", NameApp, is_stream=True, is_reading=True, is_narrowing=True)
    async def device_follow_logs(self, person: Person, request: NameApp, progress: Progress) -> None:
        """Progressive: what an app on the device prints from now on, while the caller has `READ`."""
        await self._log_streams.run(person, request, progress)

    @for_people(
        "ironflock.devices.device.follow_progress", NameDevice, is_stream=True, is_reading=True, is_narrowing=True
    )
    async def device_follow_progress(self, person: Person, request: NameDevice, progress: Progress) -> None:
        """Progressive: how far the updates of the device's agent and system are, while the caller has `READ`."""
        await self._log_streams.run_progress(person, request, progress)
