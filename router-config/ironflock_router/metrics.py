"""The router's own figures, in Prometheus' default registry. Labels are fixed words: never a name, never a URI."""

from typing import Final

from prometheus_client import Counter, Gauge

REFUSALS: Final = Counter(
    "ironflock_router_refusals_total", "Messages refused by the table", ["role", "action", "reason"]
)
JOINS: Final = Counter("ironflock_router_joins_total", "Attempts to join, by how they ended", ["path", "outcome"])
DROPPED: Final = Counter(
    "ironflock_router_dropped_connections_total", "Connections ended by the guard", ["listener", "reason"]
)
CONNECTIONS: Final = Gauge("ironflock_router_connections", "Open connections", ["listener"])
UNJOINED: Final = Gauge("ironflock_router_unjoined_connections", "Open connections without a session", ["listener"])
WAITING_OCTETS: Final = Gauge(
    "ironflock_router_waiting_bytes", "Octets that peers have not taken yet, at the last sweep", ["listener"]
)
CELL: Final = Gauge("ironflock_router_cell", "Which cell this router is", ["cell"])
SESSIONS: Final = Gauge("ironflock_router_sessions", "Joined sessions", ["role"])
DATA_REALMS: Final = Gauge("ironflock_router_data_realms", "Data realms that are running")
DUPLICATES: Final = Counter("ironflock_router_duplicate_devices_total", "Second sessions of a device that is there")
ENDED: Final = Counter("ironflock_router_ended_sessions_total", "Sessions ended by the router", ["reason"])
