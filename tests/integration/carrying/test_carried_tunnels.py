"""Tunnels that are carried stand for the ports of their app as before, so that they go with those."""

from typing import Any

from deploy.carrying.rows import Importing, Row, fill, run
from tests.integration.database import Postgres

OWNER, PLANT, PRESS = 5, 3, 42
NEW: dict[tuple[str, int], int] = {("project", PLANT): 103, ("device", PRESS): 142}
DEVICE: Row = (
    "devices.device",
    {
        "device_key": PRESS, "project_key": PLANT, "name": "press", "name_canonical": "press", "description": "",
        "serial_number": "6f1f0a3e-3a0c-4d0b-9b0e-0d2f5a1c7e11", "created_at": "2026-11-30T12:00:00Z",
    },
)  # fmt: skip


def tunnel(port: int, **more: Any) -> Row:
    """A tunnel, as it is exported."""
    return ("tunnels.tunnel", {"device_key": PRESS, "app": "press", "port": port, "protocol": "http", **more})


def test_a_tunnel_of_a_port_is_one_where_it_comes_to(postgres: Postgres) -> None:
    tunnels = [
        tunnel(80, is_of_ports=True),
        tunnel(81, is_of_ports=False),
        tunnel(82),
    ]  # the last: as it was exported once
    with postgres.connect() as connection, connection.transaction():
        fill(connection, Importing(OWNER, "anna", "plant", "plant", is_beside=False), [DEVICE, *tunnels], NEW)
        run(connection, "take")

    known = postgres.rows(
        "SELECT device_key, project_key, port, declared_by, is_of_ports FROM tunnels.tunnel ORDER BY port"
    )
    assert known == [(142, 103, 80, OWNER, True), (142, 103, 81, OWNER, False), (142, 103, 82, OWNER, False)]
