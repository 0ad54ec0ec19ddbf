"""Device configuration files."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.flockctl.simulator.flock import FlockError, parse_flock

CONTENT: dict[str, Any] = {
    "secret": "s3cret-dev",
    "swarm_key": 3,
    "device_key": 7,
    "serial_number": "00000000-0000-0000-0000-000000000001",
    "device_endpoint_url": "wss://localhost:8443/ws-re-dev",
    "name": "press-1",
    "docker_registry_url": "localhost:5000/",
    "board": {"model": "x"},
}


def test_the_wires_keys_are_read_and_the_others_left_alone() -> None:
    flock = parse_flock(json.dumps(CONTENT))

    assert flock.authid == "3-7"
    assert flock.endpoint_url == "wss://localhost:8443/ws-re-dev"
    assert "s3cret-dev" not in repr(flock)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("secret", ""),
        ("secret", 5),
        ("swarm_key", "3"),
        ("swarm_key", True),
        ("device_key", 0),
        ("device_key", 2**53),
        ("device_key", 7.5),
        ("serial_number", "a.b"),
        ("device_endpoint_url", "ws://localhost:8080/ws-re-dev"),
        ("device_endpoint_url", "wss://"),
        ("device_endpoint_url", "wss://[::1/x"),
        ("device_endpoint_url", "wss://localhost:99999/x"),
    ],
)
def test_what_is_out_of_shape_is_named(key: str, value: object) -> None:
    with pytest.raises(FlockError, match=key):
        parse_flock(json.dumps({**CONTENT, key: value}))


@pytest.mark.parametrize("key", ["secret", "swarm_key", "device_key", "serial_number", "device_endpoint_url"])
def test_what_is_missing_is_named(key: str) -> None:
    with pytest.raises(FlockError, match=key):
        parse_flock(json.dumps({name: value for name, value in CONTENT.items() if name != key}))


@given(st.text())
def test_any_text_is_a_flock_or_refused(text: str) -> None:
    with pytest.raises(FlockError):
        parse_flock(text)
