"""A look at the ports before anything is started."""

import socket
from collections.abc import Iterable

from attrs import frozen

from deploy.local.errors import PlatformError
from deploy.local.settings import LocalSettings


class PortTakenError(PlatformError):
    """A port is in use or may not be used; the text names the setting that moves it."""


@frozen
class Listener:
    """A port that a process of ours is going to listen on; `is_movable`: whether a setting chooses its address."""

    name: str
    address: str
    port: int
    is_movable: bool = False


def listeners(settings: LocalSettings) -> list[Listener]:
    """Every listener of the platform."""
    ports, loopback = settings.ports, "127.0.0.1"
    operations = [Listener(f"{name}, health", loopback, port) for name, port in ports.operations.items()]
    return [
        Listener("accounts", settings.bind, ports.accounts, is_movable=True),
        Listener("router", settings.bind, ports.router_public, is_movable=True),
        Listener("router, services", loopback, ports.router_services),
        *_second_router(settings),
        Listener("gateway", settings.bind, ports.gateway, is_movable=True),
        Listener("sql", settings.bind, ports.sql, is_movable=True),
        Listener("tunnels, devices", settings.bind, ports.tunnel, is_movable=True),
        Listener("tunnels, visitors", settings.bind, ports.visitors, is_movable=True),
        Listener("audit", settings.bind, ports.audit, is_movable=True),
        *database_listeners(settings),
        *operations,
    ]


def _second_router(settings: LocalSettings) -> list[Listener]:
    ports = settings.ports
    if not ports.has_second_cell:
        return []
    return [
        Listener("router of the second cell", settings.bind, ports.second_router_public, is_movable=True),
        Listener("router of the second cell, services", "127.0.0.1", ports.second_router_services),
    ]


def database_listeners(settings: LocalSettings) -> list[Listener]:
    """Those of PostgreSQL, all there is where nothing else is started."""
    first = Listener("postgres", "127.0.0.1", settings.ports.postgres)
    second = Listener("postgres, second", "127.0.0.1", settings.ports.second)
    return [first, second] if settings.has_second else [first]


def check_ports(wanted: Iterable[Listener]) -> None:
    """Refuse to start on ports that somebody holds.

    Raises:
        PortTakenError: One is taken, reserved, or of an address that this machine does not have.
    """
    for listener in wanted:
        family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((listener.address, listener.port))
                probe.listen(1)
            except OSError as error:
                raise PortTakenError(_explain(listener, error)) from error


def _explain(listener: Listener, error: OSError) -> str:
    where = f"{listener.address} port {listener.port} ({listener.name})"
    edge = ", IRONFLOCK_LOCAL_TUNNEL_PORT this one" if listener.name == "tunnels, devices" else ""
    address = ", IRONFLOCK_LOCAL_BIND the address" if listener.is_movable else ""
    return f"{where}: {error.strerror}. IRONFLOCK_LOCAL_PORT_BASE moves all ports{edge}{address}"
