"""Flashing a device: its old secret ends, a new one is handed out once."""

from collections.abc import Mapping
from typing import Any

from deploy.flockctl.errors import OutcomeUnknownError
from deploy.flockctl.operator import Operator


async def flash(operator: Operator, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The device and its new `.flock`. It is never sent twice: each time ends the secret of the time before.

    Raises:
        OutcomeUnknownError: No answer came back; the device's old secret may have ended.
    """
    try:
        answer: dict[str, Any] = await operator.call("ironflock.devices.device.flash", repeatable=False, **arguments)
    except OutcomeUnknownError as error:
        hint = "the device's old secret may have ended: flash it again"
        raise OutcomeUnknownError(f"{error.message}; {hint}", **error.details) from error
    return answer
