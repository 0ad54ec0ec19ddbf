"""Calls to agents: the one module that makes them.

Agents believe whoever calls as `system`, and check the person whom such a call names. So every call here names one:
without a person it cannot be said (decision 15). Nothing goes out that an agent does not survive.
"""

import asyncio
from typing import Any, Final

from attrs import frozen
from autobahn.wamp.exception import ApplicationError, SessionNotReady, TransportLost
from autobahn.wamp.types import CallResult

from services.devices.records.devices import Device
from services.devices.rules.operations import NEEDS_DICTIONARY, NEVER_CALLED
from shared.bus import AWAY
from shared.errors import ConflictError, OutcomeUnknownError, UnavailableError
from shared.identities import CONTROL_REALM
from shared.project_cells import ProjectCells
from shared.session import BusSession

REQUESTOR: Final = "requestor_account_key"
HANDLER_ERROR: Final = "wamp.error.canceled"
"""Under which every error of an agent's own comes, with a dictionary; the router's own has a text."""
NOT_THERE: Final = frozenset(
    {
        "wamp.error.no_such_procedure",
        "wamp.error.no_available_callee",
        "wamp.error.no_eligible_callee",
    }
)
OFFLINE: Final = "the device is not connected"
NO_ANSWER: Final = "the device did not answer in time, or went away: it may have done it; look before you repeat"
MAX_TEXT: Final = 500


@frozen
class AgentAnswer:
    """What an agent answered, by position and by name."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class AgentCalls:
    """Calls the agents of devices, as `system`, for a person."""

    def __init__(self, cells: ProjectCells) -> None:
        """Call in the cells in which `cells` has the devices' projects."""
        self._cells = cells

    async def ask(
        self,
        device: Device,
        procedure: str,
        account_key: int,
        argument: dict[str, Any] | None = None,
        *,
        named: dict[str, Any] | None = None,
        time_limit_s: float,
    ) -> AgentAnswer:
        """Have the agent of the device do `procedure` for the person of `account_key`.

        Raises:
            ConflictError: The device is not connected, or answered that it cannot (`reason` says which).
            OutcomeUnknownError: No answer came.
            UnavailableError: The bus, or the cell of its project, is away; nothing was asked.
        """
        _refuse_lethal(procedure, argument, account_key)
        args = () if argument is None else (argument,)
        kwargs = {**(named or {}), REQUESTOR: account_key}
        _refuse_floats([args, kwargs])
        uri = f"re.mgmt.{device.serial_number}.{procedure}"
        session = await self._cells.session(device.project_key, CONTROL_REALM)
        found = await asked(session, uri, args, kwargs, time_limit_s)
        if found is None:
            raise ConflictError(OFFLINE, reason="device_offline")
        return found


async def asked(
    session: BusSession, uri: str, args: tuple[Any, ...], kwargs: dict[str, Any], time_limit_s: float
) -> AgentAnswer | None:
    """The answer of the agent's procedure `uri`, None where it is not connected; errors as `AgentCalls.ask`."""
    try:
        async with asyncio.timeout(time_limit_s):
            result = await session.call(uri, *args, **kwargs).asFuture(asyncio.get_running_loop())
    except ApplicationError as error:
        if error.error in NOT_THERE:
            return None
        raise _refusal(error) from error
    except SessionNotReady as error:
        raise UnavailableError(AWAY) from error
    except (TimeoutError, TransportLost) as error:
        raise OutcomeUnknownError(NO_ANSWER) from error
    if isinstance(result, CallResult):
        return AgentAnswer(tuple(result.results or ()), dict(result.kwresults or {}))
    return AgentAnswer(() if result is None else (result,), {})


def _refusal(error: ApplicationError) -> Exception:
    said = error.args[0] if error.args else None
    if error.error == HANDLER_ERROR and isinstance(said, dict):
        return ConflictError(f"the device answered: {_printable(said.get('error'))}", reason="device_refused")
    # What else it calls its error would be taken for ours, and be acted on.
    if error.error == HANDLER_ERROR:
        return OutcomeUnknownError(NO_ANSWER)
    return ConflictError(f"the device answered: {_printable(said)}", reason="device_refused")


def _printable(text: object) -> str:
    """What a device says of its error, as far as it may be shown."""
    return "".join(sign if sign.isprintable() else " " for sign in str(text))[:MAX_TEXT]


def _refuse_lethal(procedure: str, argument: dict[str, Any] | None, account_key: int) -> None:
    if procedure in NEVER_CALLED or (procedure in NEEDS_DICTIONARY and not isinstance(argument, dict)):
        raise ValueError(f"agents do not survive {procedure} without all that it needs")
    if isinstance(account_key, bool) or account_key <= 0:
        raise ValueError("every call to an agent names the person who wants it")


def _refuse_floats(value: object) -> None:
    """Agents take integers as integers. Source: wire-agent, trap 5."""
    if isinstance(value, float):
        raise TypeError("agents take no floating point numbers")
    if isinstance(value, dict):
        _refuse_floats(list(value.values()))
    elif isinstance(value, list | tuple):
        for each in value:
            _refuse_floats(each)
