"""The wire is pinned: published agents call exactly these (wire-agent.md section 4)."""

from ironflock_router import wire_names
from ironflock_router.authentication.doors import PUBLIC_DOORS, Door


def test_the_agents_procedures() -> None:
    assert set(wire_names.AGENT_PROCEDURES) == {
        "reswarm.devices.read_device_metadata",
        "reswarm.devices.get_app_cred_key",
        "reswarm.devices.update_device_status",
        "reswarm.devices.update_device_architecture",
        "reswarm.devices.check_privilege",
        "reswarm.containers.get_requested_app_states",
        "reswarm.containers.update_app_on_device",
        "reswarm.containers.get_registry_token",
        "re.tunnel.expose_port",
        "reswarm.registry.run_gc",
    }


def test_the_paths() -> None:
    assert {door.value: door.authmethods for door in Door} == {
        "/ws-re-dev": ("wampcra",),
        "/ws-usr": ("ticket",),
        "/ws-ua-usr": ("wampcra", "ticket"),
        "/ws-svc": ("wampcra",),
    }
    assert Door.SERVICES not in PUBLIC_DOORS


def test_the_names_that_are_never_published() -> None:
    assert wire_names.NEVER_PUBLISHED == "reswarm.device.%d.list/ondestroy"
