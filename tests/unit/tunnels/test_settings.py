"""What tunnels reads from its environment."""

import json
from pathlib import Path

import pytest

from services.tunnels.records.recordings import Keeping
from services.tunnels.records.tunnels import PortRange
from services.tunnels.settings import TunnelsSettings, read
from shared.settings import Settings, SettingsError
from tests.unit.shared.environments import environment
from tests.unit.tunnels.test_nodes import NODES


def told(folder: Path, **changes: str) -> TunnelsSettings:
    more = {f"IRONFLOCK_TUNNELS_{name}": value for name, value in changes.items()}
    return read(Settings("TUNNELS", {**environment("tunnels", folder), **more}))


def test_what_is_told_is_taken(tmp_path: Path) -> None:
    found = told(tmp_path)

    assert (found.domain, found.raw_ports) == ("tunnels.localhost", PortRange(7500, 7599))
    assert (found.edge_port, found.visitors_port, found.public_port) == (7400, 8458, 8458)
    assert (found.visit_life_s, found.visit_idle_s) == (43_200.0, 900.0)
    assert found.keeping == Keeping(days=30, octets=10 << 30)


def test_who_vouches_for_the_provider_is_the_platform_or_the_system(tmp_path: Path) -> None:
    found = told(tmp_path)

    assert found.issuer_ca == str(found.common.ca)
    assert told(tmp_path, ISSUER_CA="system").issuer_ca is None


def test_behind_another_port_people_come_by_that(tmp_path: Path) -> None:
    assert told(tmp_path, PUBLIC_PORT="443").public_port == 443


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("RAW_PORTS", text) for text in ("7500", "0-5", "10-9", "1-65536", "a-b", "1-2-3")),
        *(("DOMAIN", text) for text in ("a b", "-a.b", "a..b", "*.a")),
        *(("ISSUER", text) for text in ("http://a.example", "https://a.example/x", "https://a@b.example", "a")),
        ("VISIT_LIFE", "0"),
        ("RECORDING_OCTETS", "1000"),
        ("ISSUER_CA", "nobody"),
        ("FRPS_NODES_FILE", "/does/not/exist"),
        ("SURPRISE", "1"),
    ],
)
def test_what_is_malformed_stops_the_service(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        told(tmp_path, **{name: value})


def test_nodes_come_from_a_file_and_need_a_port(tmp_path: Path) -> None:
    file = tmp_path / "nodes.json"
    file.write_text(json.dumps(NODES))

    found = told(tmp_path, FRPS_NODES_FILE=str(file), FRPS_PORT="7443")

    assert found.fleet is not None
    assert (found.fleet.nodes[0].name, found.frps_port, found.frps_bind) == ("frps-1", 7443, "127.0.0.1")
    assert told(tmp_path).fleet is None
    own = told(tmp_path, FRPS_NODES_FILE=str(file), FRPS_PORT="7443", FRPS_FRONT="10.1.2.3").fleet
    assert own is not None
    assert own.fronts == found.fleet.fronts | {"10.1.2.3"}
    with pytest.raises(SettingsError, match="FRPS_PORT"):
        told(tmp_path, FRPS_NODES_FILE=str(file))
    file.write_text("{}")
    with pytest.raises(SettingsError, match="FRPS_NODES_FILE"):
        told(tmp_path, FRPS_NODES_FILE=str(file), FRPS_PORT="7443")
