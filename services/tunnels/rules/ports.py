"""Which port a device is allotted. Pure.

Agents ask for every tcp or udp port of an app, again after each start, and mean one that they had where they name one
(wire-agent.md section 4, call 10): the same question has the same answer, and what nobody uses for a day is free.
"""

from collections.abc import Iterable
from typing import Final

from services.tunnels.records.tunnels import AllottedPort, PortRange
from shared.errors import AlreadyExistsError, InvalidArgumentError, OverLimitError

GIVEN_BACK_AFTER_S: Final = 86_400.0
ASKED_LATELY_S: Final = 60.0
"""An agent that starts asks for all its ports within this time: each question is about another one."""
MAX_OF_A_DEVICE: Final = 64
TAKEN: Final = "this port is another device's"
FULL: Final = "every port is taken; somebody has to withdraw a tunnel"
TOO_MANY: Final = f"a device has at most {MAX_OF_A_DEVICE} ports of one protocol"


def is_given_back(held: AllottedPort, now: float) -> bool:
    """Whether anybody may have it: not offered, and neither used nor asked for within a day."""
    return not held.is_offered and now - max(held.asked_at, held.used_at) >= GIVEN_BACK_AFTER_S


def allot(wanted: int, device_key: int, ports: PortRange, held: Iterable[AllottedPort], *, now: float) -> int:
    """The port that the device has from now on, which it may have had before; `wanted` is 0 for any.

    Raises:
        InvalidArgumentError: It is none of `ports`.
        AlreadyExistsError: It is another device's.
        OverLimitError: The device has too many, or there is none left.
    """
    kept = {each.port: each for each in held if not is_given_back(each, now)}
    own = [each for each in kept.values() if each.device_key == device_key]
    if wanted:
        return _wanted(wanted, ports, kept, own)
    again = [each.port for each in own if _is_free_again(each, ports, now)]
    if again:
        return min(again)
    _refuse_many(own)
    free = next((port for port in range(ports.first, ports.last + 1) if port not in kept), None)
    if free is None:
        raise OverLimitError(FULL)
    return free


def _wanted(wanted: int, ports: PortRange, kept: dict[int, AllottedPort], own: list[AllottedPort]) -> int:
    if wanted not in ports:
        raise InvalidArgumentError(f"ports of tunnels are {ports.first} to {ports.last}", argument="port")
    if wanted in {each.port for each in own}:
        return wanted
    if wanted in kept:
        raise AlreadyExistsError(TAKEN)
    _refuse_many(own)
    return wanted


def _is_free_again(held: AllottedPort, ports: PortRange, now: float) -> bool:
    return held.port in ports and not held.is_offered and now - held.asked_at >= ASKED_LATELY_S


def _refuse_many(own: list[AllottedPort]) -> None:
    if len(own) >= MAX_OF_A_DEVICE:
        raise OverLimitError(TOO_MANY)
