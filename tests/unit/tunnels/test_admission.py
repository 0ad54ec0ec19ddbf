"""Who may log in (decision 27)."""

import attrs
import pytest

from services.tunnels.admission import refusal
from services.tunnels.records.offers import TunnelDevice

DEVICE = TunnelDevice(42, 7, "serial", "flash", "192.0.2.1")


@pytest.mark.parametrize(
    ("device", "address", "expected"),
    [
        (DEVICE, "192.0.2.1", None),
        (None, "192.0.2.1", "the tunnel proof is no device's"),
        (
            attrs.evolve(DEVICE, address_of_live_session=None),
            "192.0.2.1",
            "the device is not connected to the platform",
        ),
        (DEVICE, "192.0.2.2", "the device is connected to the platform from another address"),
        (DEVICE, "::ffff:192.0.2.1", None),
        (attrs.evolve(DEVICE, address_of_live_session="2001:db8::1"), "2001:0db8:0:0::1", None),
        (attrs.evolve(DEVICE, address_of_live_session="nowhere"), "nowhere", None),
        (attrs.evolve(DEVICE, is_bound_to_address=False), "192.0.2.2", None),
    ],
)
def test_a_device_logs_in_from_where_it_is_connected(
    device: TunnelDevice | None, address: str, expected: str | None
) -> None:
    assert refusal(device, address) == expected
