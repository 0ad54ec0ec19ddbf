"""Having devices do things for people: the flag first, then the log, then the call, then the log again."""

from typing import Any, Final, Protocol
from uuid import uuid4

from attrs import evolve

from services.devices.operations.agent_calls import AgentCalls
from services.devices.operations.intents import Intents
from services.devices.reaching import Reaching
from services.devices.records.devices import Device
from services.devices.records.operations import DeviceAnswer
from services.devices.rules import operations
from services.devices.rules.operations import Operation
from services.devices.store import app_states as store
from shared import audit
from shared.database import Database
from shared.errors import ConflictError, OutcomeUnknownError, OverLimitError, PublicError, UnavailableError
from shared.identities import Person

DONE_UNTOLD: Final = "the device did it, and the log could not be told; look before you repeat"
LATEST_S: Final = 10.0
"""After the time limit of a call: by then its end is in the log, or its process is gone."""
NO_APP: Final = "this app is not installed on the device at this stage"


class NamesDevice(Protocol):
    """What names a device."""

    @property
    def device(self) -> int | str:
        """Its key or name."""

    @property
    def project(self) -> int | str | None:
        """Where it is, if that was said."""


class NamesApp(NamesDevice, Protocol):
    """What names an app on a device."""

    @property
    def app(self) -> int:
        """The app's key."""

    @property
    def stage(self) -> Any:
        """Its stage."""


class Operating:
    """Has devices do things."""

    def __init__(self, database: Database, reaching: Reaching, agents: AgentCalls, intents: Intents) -> None:
        """Work with these."""
        self._intents = intents
        self._database = database
        self._reaching = reaching
        self._agents = agents

    async def look(self, person: Person, operation: Operation, request: NamesDevice) -> DeviceAnswer:
        """What the device says of itself.

        Raises:
            ConflictError: It is not connected, or cannot.
            OutcomeUnknownError: No answer came.
        """
        device = await self._reached(person, operation, request)
        return await self._ask(person, operation, device, None)

    async def change(
        self,
        person: Person,
        operation: Operation,
        request: NamesDevice,
        argument: dict[str, Any] | None = None,
        **said: Any,
    ) -> DeviceAnswer:
        """Have the device do something, recorded before and after; `said` is what of it may be recorded.

        Raises:
            ConflictError, OutcomeUnknownError: As `look`.
        """
        device = await self._reached(person, operation, request)
        order = evolve(draft_of(person, device, {"operation": operation.verb, **said}), request_id=str(uuid4()))
        await self._intents.open_intent(device, order, for_s=operation.time_limit_s + LATEST_S, is_holding=True)
        try:
            answer = await self._ask(person, operation, device, argument)
        except PublicError as error:
            reason = "no answer came" if isinstance(error, OutcomeUnknownError) else error.message
            await self._intents.close_intent(evolve(order, outcome=audit.Outcome.FAILED, reason=reason))
            raise
        try:
            await self._intents.close_intent(order)
        except (UnavailableError, OverLimitError) as error:  # "nothing was changed" would have it done again
            raise OutcomeUnknownError(DONE_UNTOLD) from error
        return answer

    async def read(
        self, person: Person, operation: Operation, request: NamesDevice, argument: dict[str, Any]
    ) -> DeviceAnswer:
        """A log of the device, recorded as read (decision 26); errors as `look`."""
        device = await self._reached(person, operation, request)
        return await self._read(person, operation, device, argument, {})

    async def read_app(
        self, person: Person, operation: Operation, request: NamesApp, argument: dict[str, Any]
    ) -> DeviceAnswer:
        """A log of an app on the device, recorded as read; errors as `look`, and where the app is not there."""
        device = await self._reached(person, operation, request)
        container = {"containerName": await self._container(device, request)}
        return await self._read(
            person, operation, device, argument | container, {"app_key": request.app, "stage": request.stage}
        )

    async def app_log_of(self, person: Person, request: NamesApp) -> tuple[Device, str]:
        """The device, and the name of the app's container on it.

        Raises:
            NotFoundError, NotAuthorizedError: The person may not read its logs.
            ConflictError: The app is not on the device.
        """
        device = await self._reached(person, operations.APP_LOGS, request)
        return device, await self._container(device, request)

    async def _container(self, device: Device, request: NamesApp) -> str:
        key = device.device_key
        found = await self._database.run(lambda one: store.state_find(one, key, request.app, request.stage))
        if found is None:
            raise ConflictError(NO_APP)
        return operations.container_name(request.app, found.app_name or "", request.stage)

    async def _reached(self, person: Person, operation: Operation, request: NamesDevice) -> Device:
        return await self._reaching.device(person, operation.flag, request.device, request.project)

    async def _ask(
        self, person: Person, operation: Operation, device: Device, argument: dict[str, Any] | None
    ) -> DeviceAnswer:
        said = await self._agents.ask(
            device,
            operation.procedure,
            person.account_key,
            argument,
            time_limit_s=operation.time_limit_s,
        )
        return DeviceAnswer(device.device_key, operations.answer(operation, said.args, said.kwargs))

    async def _read(
        self, person: Person, operation: Operation, device: Device, argument: dict[str, Any], about: dict[str, Any]
    ) -> DeviceAnswer:
        answer = await self._ask(person, operation, device, argument)
        span: dict[str, Any] = {name: argument[name] for name in ("since", "until") if name in argument}
        told: dict[str, Any] = {"log": operation.verb, **about, **span, "lines": operations.lines_of(answer.answer)}
        draft = evolve(
            draft_of(person, device, told), action=audit.Action.DEVICE_LOGS_READ, aspect=audit.Aspect.READING
        )
        await self._record(draft)
        return answer

    async def _record(self, draft: audit.Draft) -> None:
        async with self._database.transaction() as connection:
            await audit.record(connection, draft)


def draft_of(person: Person, device: Device, told: dict[str, Any]) -> audit.Draft:
    """An entry about what the person has the device do."""
    return audit.Draft(
        action=audit.Action.DEVICE_OPERATED,
        aspect=audit.Aspect.STATE,
        actor=audit.actor_of(person),
        asset=audit.Asset("device", device.device_key),
        project_key=device.project_key,
        after=told,
        session=person.session or None,
    )
