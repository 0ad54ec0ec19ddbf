"""The launcher's settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.ports import listeners
from deploy.local.settings import TUNNEL_PORT, Ports, local_settings, url_host
from shared.settings import SettingsError


def test_the_ports_are_those_of_the_readme() -> None:
    ports = Ports(8440)

    assert (ports.router_public, ports.router_services, ports.gateway, ports.postgres) == (8443, 8444, 8445, 8446)
    assert ports.operations == {
        "router": 8447,
        "gateway": 8448,
        "auth": 8449,
        "realms": 8450,
        "devices": 8451,
        "audit": 8453,
        "privileges": 8454,
        "fleetdb": 8455,
        "tunnels": 8457,
    }
    assert (ports.accounts, ports.audit) == (8441, 8452)
    assert (ports.tunnel, ports.visitors, ports.raw) == (7400, 8458, "7500-7599")
    elsewhere = Ports(9000)
    assert (elsewhere.tunnel, elsewhere.visitors, elsewhere.raw) == (9019, 9018, "9020-9119")


@pytest.mark.parametrize(
    ("host", "port"),
    [("localhost", 7400), ("127.0.0.1", 7400), ("host.docker.internal", 7400), ("plant.example", 7000), ("::1", 7000)],
)
def test_devices_dial_the_port_that_they_know_for_such_a_host(host: str, port: int) -> None:
    assert local_settings({"IRONFLOCK_LOCAL_HOST": host}).ports.tunnel == port


def test_the_port_that_devices_dial_can_be_another_one() -> None:
    assert local_settings({"IRONFLOCK_LOCAL_TUNNEL_PORT": "7000"}).ports.tunnel == 7000
    assert local_settings({"IRONFLOCK_LOCAL_PORT_BASE": "65516"}).ports.raw == "65535-65535"


def test_there_is_a_second_database_server_where_two_are_asked_for() -> None:
    one, two = local_settings({}), local_settings({"IRONFLOCK_LOCAL_CLUSTERS": "2"})

    assert (one.has_second, two.has_second, two.ports.second) == (False, True, 8442)
    assert {each.name for each in listeners(two)} - {each.name for each in listeners(one)} == {"postgres, second"}
    with pytest.raises(SettingsError, match="IRONFLOCK_LOCAL_CLUSTERS"):
        local_settings({"IRONFLOCK_LOCAL_CLUSTERS": "3"})


def test_there_is_a_second_cell_where_two_are_asked_for() -> None:
    one, two = local_settings({}), local_settings({"IRONFLOCK_LOCAL_CELLS": "2"})

    assert not one.ports.more_routers
    assert {name: two.ports.operations[name] for name in two.ports.more_routers} == {"router-second": 8562}
    assert (two.ports.second_router_public, two.ports.second_router_services) == (8560, 8561)
    with pytest.raises(SettingsError, match="IRONFLOCK_LOCAL_CELLS"):
        local_settings({"IRONFLOCK_LOCAL_CELLS": "3"})
    with pytest.raises(SettingsError, match="IRONFLOCK_LOCAL_PORT_BASE"):
        local_settings({"IRONFLOCK_LOCAL_CELLS": "2", "IRONFLOCK_LOCAL_PORT_BASE": "65516"})


TWO_OF_EACH = {"IRONFLOCK_LOCAL_CLUSTERS": "2", "IRONFLOCK_LOCAL_CELLS": "2"}


@given(base=st.integers(1, 65_413))
def test_every_listener_has_a_port_of_its_own_that_exists(base: int) -> None:
    settings = local_settings({"IRONFLOCK_LOCAL_PORT_BASE": str(base), **TWO_OF_EACH})
    ports = [each.port for each in listeners(settings)]
    first, last = map(int, settings.ports.raw.split("-"))

    assert len(set(ports)) == len(ports) == 22
    assert all(base < port <= 65_535 for port in ports if port != TUNNEL_PORT)
    assert not set(ports) & set(range(first, last + 1))


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "192.0.2.7"])  # noqa: S104 - what an operator may choose
def test_only_the_public_listeners_follow_the_bind_address(bind: str) -> None:
    elsewhere = [
        each.name for each in listeners(local_settings({"IRONFLOCK_LOCAL_BIND": bind})) if each.address == bind
    ]

    assert elsewhere == ["accounts", "router", "gateway", "sql", "tunnels, devices", "tunnels, visitors", "audit"]


@pytest.mark.parametrize("host", ["localhost", "plant.example", "a-b.c1", "192.0.2.7", "2001:db8::1"])
def test_given_a_host_when_read_then_it_is_kept(host: str) -> None:
    assert local_settings({"IRONFLOCK_LOCAL_HOST": host.upper()}).host == host


def test_given_an_address_in_another_spelling_when_read_then_it_is_the_one_of_certificates_and_urls() -> None:
    host = local_settings({"IRONFLOCK_LOCAL_HOST": "2001:DB8:0:0::1"}).host

    assert (host, url_host(host)) == ("2001:db8::1", "[2001:db8::1]")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("HOST", text) for text in ("https://plant", "a b", "-a", "a" * 64, "a\nb", "*.plant", "a..b")),
        *(("BIND", text) for text in ("localhost", "1.2.3")),
        *(("PORT_BASE", text) for text in ("0", "65522", "eight", "-1")),
        *(("CERTIFICATE_LIFE", text) for text in ("0", "nan", "inf")),
        ("TUNNEL_PORT", "65536"),
        *(("TUNNEL_DOMAIN", text) for text in ("127.0.0.1", "a b", "*.a")),
        ("PORTS", "1"),
    ],
)
def test_given_a_wrong_setting_when_read_then_it_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"IRONFLOCK_LOCAL_{name}"):
        local_settings({f"IRONFLOCK_LOCAL_{name}": value})
