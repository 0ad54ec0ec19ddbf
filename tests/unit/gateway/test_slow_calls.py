"""What a device takes its time for is waited for as long as devices waits, and nothing else is."""

from services.devices.rules.operations import OPERATIONS, SLOW_S
from services.gateway.calling import DEVICE_TIMEOUT_S, SLOW
from services.gateway.serving import TIME_LIMIT_S


def test_the_gateway_waits_for_a_device_as_long_as_devices_does() -> None:
    assert {f"ironflock.devices.device.{each.verb}" for each in OPERATIONS if each.time_limit_s == SLOW_S} == SLOW
    assert SLOW_S < DEVICE_TIMEOUT_S < TIME_LIMIT_S
