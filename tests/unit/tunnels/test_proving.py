"""Where an agent's session comes from, as the router says it."""

import pytest

from services.tunnels.proving import host_of


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("tcp4:192.0.2.7:50123", "192.0.2.7"),
        ("tcp6:[2001:db8::1]:50123", "2001:db8::1"),
        ("tcp6:2001:db8::1:50123", "2001:db8::1"),
        ("process:17", None),
        ("", None),
        (None, None),
    ],
)
def test_the_host_is_what_stands_between_kind_and_port(peer: str | None, host: str | None) -> None:
    assert host_of({"transport": {"peer": peer}}) == host


def test_without_a_transport_there_is_none() -> None:
    assert host_of({}) is None
    assert host_of({"transport": None}) is None
