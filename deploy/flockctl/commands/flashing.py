"""What hands a device's new secret out, once: flashing it, and claiming it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from deploy.flockctl.errors import OutcomeUnknownError
from deploy.flockctl.operator import Operator
from deploy.flockctl.output import write_json
from deploy.flockctl.secret_files import SecretFile, write_to_standard_output

FLASH_AGAIN: Final = "the device's old secret may have ended: flash it again"
LOOK_AND_FLASH: Final = "the code may be spent: where `flockctl device list` has the device in the project, flash it"


async def flash(operator: Operator, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The device and its new `.flock`. It is never sent twice: each time ends the secret of the time before.

    Raises:
        OutcomeUnknownError: No answer came back; the device's old secret may have ended.
    """
    return await _once(operator, "ironflock.devices.device.flash", arguments, FLASH_AGAIN)


async def claim(operator: Operator, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The device that was taken into a project, and its new `.flock`. It is never sent twice: a code works once.

    Raises:
        OutcomeUnknownError: No answer came back; the code may be spent.
    """
    return await _once(operator, "ironflock.devices.device.claim", arguments, LOOK_AND_FLASH)


async def into_file(
    operator: Operator, out: str, make: Callable[[], Awaitable[dict[str, Any]]], *, replace: bool
) -> None:
    """Put the `.flock` that `make` comes to into the file `out`, which is reserved before there is a secret.

    Raises:
        CommandError: It cannot be written; then nothing was made. What `make` raises.
    """
    if out == "-":
        flock = (await make())["flock"]
        write = write_json if operator.output.as_json else write_to_standard_output
        write(flock)
        return
    with SecretFile(out, replace=replace) as file:  # before the old secret ends, not after
        answer = await make()
        file.write(answer["flock"])
    said = f"{file.path} holds the device's new secret; copy it to the device and keep it from others"
    operator.output.result({"device": answer["device"], "file": str(file.path)}, said)


async def _once(operator: Operator, procedure: str, arguments: Mapping[str, Any], hint: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = await operator.call(procedure, repeatable=False, **arguments)
    except OutcomeUnknownError as error:
        raise OutcomeUnknownError(f"{error.message}; {hint}", **error.details) from error
    return answer
