"""The table of the first traffic."""

import json

from deploy.flockctl.simulator.flock import Flock
from deploy.flockctl.simulator.lifecycle import Outcome
from deploy.flockctl.simulator.traffic import first_traffic, status_payload

FLOCK = Flock(3, 7, "serial-1", "secret", "wss://localhost/ws-re-dev", "press-1")


def test_the_testament_names_the_session() -> None:
    [step] = [step for step in first_traffic(FLOCK, is_first=True) if step.name == "add_testament"]

    assert step.build(FLOCK, 4711) == (
        {},
        "wamp.session.add_testament",
        [
            "reswarm.api.testament_device",
            [{"swarm_key": 3, "device_key": 7, "serial_number": "serial-1", "wamp_session_id": 4711}],
            {},
        ],
    )
    assert (step.timeout_s, step.ends, step.ends_first_only) == (10.0, Outcome.TESTAMENT_REFUSED, True)


def test_a_status_has_the_agents_keys() -> None:
    payload = status_payload(FLOCK, 4711, "CONNECTED")

    assert set(payload) == {"swarm_key", "device_key", "status", "wamp_session_id", "stats", "tunnel_capable"}
    assert set(payload["stats"]) == {
        "cpu_count",
        "cpu_usage",
        "memory_total",
        "memory_used",
        "memory_available",
        "storage_total",
        "storage_used",
        "storage_free",
        "docker_apps_total",
        "docker_apps_used",
        "docker_apps_free",
        "docker_apps_mounted",
    }


def test_every_step_is_json_and_only_two_of_them_can_end_the_agent() -> None:
    steps = list(first_traffic(FLOCK, is_first=True))

    json.dumps([step.build(FLOCK, 1) for step in steps])
    assert [step.name for step in steps if step.ends] == ["add_testament", "CONNECTED"]


def test_devices_register_in_different_orders() -> None:
    other = Flock(3, 8, "serial-1", "secret", "wss://localhost/ws-re-dev", "press-2")

    names, others = ([step.name for step in first_traffic(each, is_first=True)] for each in (FLOCK, other))

    assert names != others
    assert sorted(names) == sorted(others)


def test_on_a_reconnect_one_subscription_is_left_out() -> None:
    first, later = ([step.name for step in first_traffic(FLOCK, is_first=is_first)] for is_first in (True, False))

    assert [name for name in first if name not in later] == ["wamp.registration.on_unregister"]
