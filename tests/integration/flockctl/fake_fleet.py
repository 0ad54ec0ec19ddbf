"""What the fake router has of projects and devices."""

from typing import Any

from tests.integration.flockctl.fake_router import FakeRouter
from tests.integration.flockctl.test_agent import SECRET

DEVICE = {
    "device_key": 7,
    "project_key": 3,
    "project_name": "plant",
    "name": "press-1",
    "description": "",
    "serial_number": "11111111-2222-4333-8444-555555555555",
    "state": "flashed",
    "status": "CONNECTED",
    "status_since": "2026-11-25T10:00:00Z",
    "created_at": "2026-11-25T09:00:00Z",
    "flashed_at": "2026-11-25T09:30:00Z",
    "architecture": "amd64",
    "os": "linux",
    "agent_version": "0.20.20",
}
PROJECT = {
    "project_key": 3,
    "name": "plant",
    "description": "",
    "owner_account_key": 1,
    "requires_factor": True,
    "requires_same_address": True,
    "created_at": "2026-11-25T09:00:00Z",
    "region": "default",
    "cluster": "first",
    "cell": "first",
}


def flashed(router: FakeRouter) -> dict[str, Any]:
    """What `flash` answers with."""
    flock = {
        "secret": SECRET,
        "swarm_key": 3,
        "device_key": 7,
        "serial_number": DEVICE["serial_number"],
        "device_endpoint_url": f"wss://localhost:{router.port}/ws-re-dev",
        "name": "press-1",
    }
    router.script.procedures["ironflock.devices.device.flash"] = lambda **_: {"device": DEVICE, "flock": flock}
    return flock
